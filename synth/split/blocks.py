"""Markdown in blocks: fences of code, headings, and what stands between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_FENCE = re.compile(r"[ ]{0,3}(?:>[ ]?)*(?:[-*+]|\d+[.)])?[ \t]*(?P<mark>`{3,}|~{3,})(?P<info>[^`\n]*)$")
_HEADING = re.compile(r"[ ]{0,3}(?P<level>#{1,6})(?:[ \t]+(?P<title>.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r"[ ]{0,3}(?:(?P<first>=+)|-{2,})[ \t]*$")
_NO_TITLE = re.compile(r"\s*(?:[-*+>|#]|\d+[.)])|\s{4}|\t")


class Block(NamedTuple):
    """A run of lines of one kind.

    Attributes:
        kind: ``fence`` is a block of code with its marks, ``text`` a paragraph with the empty lines behind.
        start: Index of its first character.
        end: Index behind its last.
        level: Of a heading, from 1.
        title: Of a heading, or what follows the mark of a fence (``python``).
    """

    kind: Literal["fence", "heading", "text"]
    start: int
    end: int
    level: int = 0
    title: str = ""


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a Markdown text, without gaps. A fence that is never closed goes to the end."""
    lines = _lines(text)
    number = 0
    begun = 0  # of the paragraph that is open
    while number < len(lines):
        start, line = lines[number]
        if opening := _FENCE.match(line):
            last = _fence_end(lines, number, opening["mark"])
            yield from _paragraph(begun, start)
            begun = lines[last + 1][0] if last + 1 < len(lines) else len(text)
            yield Block("fence", start, begun, title=opening["info"].strip())
            number = last + 1
            continue
        heading, taken = _heading(lines, number)
        behind = lines[number + taken][0] if number + taken < len(lines) else len(text)
        if heading is not None:
            yield from _paragraph(begun, start)
            yield Block("heading", start, behind, *heading)
            begun = behind
        elif not line.strip() and number + 1 < len(lines) and lines[number + 1][1].strip():
            yield from _paragraph(begun, behind)
            begun = behind
        number += taken
    yield from _paragraph(begun, len(text))


def _lines(text: str) -> list[tuple[int, str]]:
    found, at = [], 0
    for line in text.split("\n"):
        found.append((at, line.rstrip("\r")))
        at += len(line) + 1
    return found if found[-1][1] or len(found) == 1 else found[:-1]


def _paragraph(start: int, end: int) -> Iterator[Block]:
    if start < end:
        yield Block("text", start, end)


def _fence_end(lines: list[tuple[int, str]], number: int, mark: str) -> int:
    for last in range(number + 1, len(lines)):
        bare = lines[last][1].lstrip("> \t").rstrip()
        if len(bare) >= len(mark) and not bare.strip(mark[0]):
            return last
    return len(lines) - 1


def _heading(lines: list[tuple[int, str]], number: int) -> tuple[tuple[int, str] | None, int]:
    """The level and title of a heading on a line, and the number of lines that it or the line takes."""
    line = lines[number][1]
    if match := _HEADING.match(line):
        return (len(match["level"]), match["title"] or ""), 1
    alone = number == 0 or not lines[number - 1][1].strip()
    if alone and line.strip() and not _NO_TITLE.match(line) and number + 1 < len(lines):
        below = _UNDERLINE.match(lines[number + 1][1])
        if below:
            return (1 if below["first"] else 2, line.strip()), 2
    return None, 1
