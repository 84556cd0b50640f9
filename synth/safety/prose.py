"""A message in parts: what is said, and what is code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from synth.split.blocks import blocks

_INLINE = re.compile(r"(`+)(?!`).{1,300}?(?<!`)\1(?!`)")
_LITERAL = re.compile(
    r"""
      (?P<long>\"{3}(?:\\.|[^\\])*?(?:\"{3}|\Z)|'{3}(?:\\.|[^\\])*?(?:'{3}|\Z))
    | \"(?:\\.|[^\"\\\n])*\" | '(?:\\.|[^'\\\n])*' | `[^`\n]*`
    | (?P<hash>\#[^\n]*) | (?P<slash>//[^\n]*) | /\*.*?\*/ | <!--.*?-->
    """,
    re.VERBOSE | re.DOTALL,
)


class Part(NamedTuple):
    """A part of a text.

    Attributes:
        start: Index of its first character.
        end: Index behind its last.
        language: Of code, small letters (``python``; empty where the fence does not say); None for prose.
    """

    start: int
    end: int
    language: str | None


def parts(text: str) -> Iterator[Part]:
    """Yield prose and fences of code in turn, without gaps; a fence is without its marks."""
    if "```" not in text and "~~~" not in text:
        yield Part(0, len(text), None)
        return
    at = 0
    for block in blocks(text):
        if block.kind != "fence":
            continue
        inner = text.find("\n", block.start, block.end) + 1
        if inner == 0:
            continue
        yield Part(at, inner, None)
        yield Part(inner, block.end, block.title.partition(" ")[0].strip("{}.").lower())
        at = block.end
    yield Part(at, len(text), None)


def prose_of(text: str) -> str:
    """What is said: without fences, and with an ellipsis for code within a line."""
    said = "".join(text[part.start : part.end] for part in parts(text) if part.language is None)
    return _INLINE.sub("…", said)


def has_code(text: str) -> bool:
    """Whether there is a fence with something in it."""
    return any(
        part.language is not None and text[part.start : part.end].strip("`~ \n") for part in parts(text)
    )


def literals(code: str, language: str) -> list[tuple[int, int]]:
    """Places of strings and comments, by signs that most languages share.

    Args:
        code: The code.
        language: ``python`` knows no comment behind ``//``; unknown ones know every sign.
    """
    found, at = [], 0
    while match := _LITERAL.search(code, at):
        if language in {"python", "py"} and match["slash"]:
            at = match.start() + 2
            continue
        found.append(match.span())
        at = match.end()
    return found
