"""Fenced code in a model's answer, read the way models write it rather than the way Markdown is defined.

Beyond CommonMark: a fence may be indented by any amount or stand behind a list marker, and a fence line
inside a docstring does not end the block if the block parses only with what follows.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from eval.extract.longest import parses

_OPENING = re.compile(
    r"(?P<lead>[ \t]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)"
)
_PYTHON = frozenset({"", "python", "python3", "py", "py3", "python2", "ipython"})
_MARKDOWN = frozenset({"markdown", "md"})
_MAX_JOINED = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One fenced block.

    Args:
        text: What stands between the fences, without the indentation of the fence.
        language: First word behind the opening fence, lower case.
        closed: Whether the closing fence is there.
    """

    text: str
    language: str
    closed: bool

    @property
    def is_python(self) -> bool:
        """Whether the block says it is Python, or does not say what it is."""
        return self.language in _PYTHON


def fenced_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of ``text`` in order; only the last may be unclosed."""
    lines = text.split("\n")
    blocks: list[Block] = []
    index = 0
    while index < len(lines):
        opening = _OPENING.fullmatch(lines[index].rstrip())
        index += 1
        if opening is None:
            continue
        block, index = _read(lines, index, opening)
        blocks += fenced_blocks(block.text) if block.language in _MARKDOWN else [block]
    return blocks


def before_first_fence(text: str) -> str | None:
    """Return what stands before the first fence if that fence names no language, else ``None``.

    That is the answer of a model whose turn was begun with an opened fence.
    """
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if opening := _OPENING.fullmatch(line.rstrip()):
            return None if opening["info"] else "\n".join(lines[:index])
    return None


def _read(lines: list[str], start: int, opening: re.Match[str]) -> tuple[Block, int]:
    """Return the block whose first inner line is ``start``, and the first line after it."""
    fence = opening["fence"]
    closing = re.compile(rf"[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t\r]*")
    words = opening["info"].strip().strip("{}.").lower().split()
    language = words[0].rstrip(",:") if words else ""
    width = len(opening["lead"].expandtabs(4))
    ends = [end for end in range(start, len(lines)) if closing.fullmatch(lines[end])]
    for end in ends[:_MAX_JOINED]:
        body = _inner(lines[start:end], width)
        # A fence inside a docstring leaves a block that does not parse; try the fences behind it.
        if language not in _PYTHON or parses(body):
            return Block(text=body, language=language, closed=True), end + 1
    end = ends[0] if ends else len(lines)
    return Block(text=_inner(lines[start:end], width), language=language, closed=bool(ends)), end + 1


def _inner(lines: list[str], width: int) -> str:
    """Join the lines of a block less the indentation that it owes to its fence, or owes to nothing."""
    if width and all(not line[:width].strip() for line in lines):
        lines = [line.expandtabs(4)[width:] if "\t" in line[:width] else line[width:] for line in lines]
    body = "\n".join(lines)
    if parses(body):
        return body
    dedented = textwrap.dedent(body)
    return dedented if dedented != body and parses(dedented) else body
