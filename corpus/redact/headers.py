"""Copyright headers: paragraphs of leading comments that speak of copyright and licence go, the others stay.

A paragraph ends at a comment line without words. Within one, lines before the first word of the licence are a
description and stay, as do lines behind its last sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from corpus.redact.licences import HINTS, KEEP, LICENCE, NOTICE, WEAK, WEAK_WORDS, WORDS
from corpus.redact.styles import Block, leading_blocks

_PASSES = 6
_MOST = 200
"""Comments that are looked at; a file with more of them on top has other things to say."""
_LONGEST = 1000
"""Characters of a line that are looked at; no licence has longer ones that say nothing before."""
_WORDY = re.compile(r"[^\W_]|©")
_BLANKS = re.compile(r"[\r\n]*")
_EDGES = " \t\r\n*#/-=;%!|~+_'"
_GOES_ON = re.compile(r"(?:,|\band|\bby|\bthe|\bof|\bor|&|-)$", re.IGNORECASE)
_FIELD = re.compile(r"[@:\\]?\w[\w -]{0,24}\s?:\s|@\w+ ")
_MORE = re.compile(r"[a-z]|\d{4}\b|all rights|(?:and|or)\b|<\S+@|[\w.+-]+@\S+$")


def strip_headers(text: str, *, language: str, filename: str) -> tuple[str, int]:
    """Return ``text`` without its copyright headers, and the number of comments that had one.

    A text of which nothing but white space would be left comes back as it is, with 0.
    """
    low = text.lower()
    if not any(hint in low for hint in HINTS):
        return text, 0
    stripped, total = text, 0
    for _ in range(_PASSES):
        shorter, count = _pass(stripped, language.lower(), filename)
        if not count or not shorter.strip("\ufeff \t\r\n\f\v"):
            break
        stripped, total = shorter, total + count
    else:
        return text, 0  # no header, and not done with the next call either
    return (stripped, total) if stripped.strip() else (text, 0)


class _Comment(NamedTuple):
    """A leading comment, line by line: as it stands, its words, and which lines speak of a licence."""

    block: Block
    lines: list[str]
    bodies: list[str]
    strong: set[int]


def _pass(text: str, language: str, filename: str) -> tuple[str, int]:
    blocks = islice(leading_blocks(text, language=language, filename=filename), _MOST)
    comments = [_read(text, block) for block in blocks]
    # A licence may be parted into several comments, of which some are one only beside the others.
    if not any(comment.strong for comment in comments):
        return text, 0
    pieces: list[str] = []
    count = at = 0
    for comment in comments:
        rest = _without_licence(comment)
        if rest is None:
            continue
        count += 1
        before = text[at : comment.block.start]
        pieces += [before, rest]
        at = comment.block.end
        alone = comment.block.start == 0 or not before.strip() or before.endswith("\n\n")
        if not rest and alone and text[at - 1 : at] == "\n":
            at = _BLANKS.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing at least
    return "".join([*pieces, text[at:]]), count


def _read(text: str, block: Block) -> _Comment:
    comment = text[block.start : block.end]
    low = comment.lower()
    lines = comment.splitlines(keepends=True)
    if not any(word in low for word in (*WORDS, *WEAK_WORDS)):
        return _Comment(block, lines, [], set())
    bodies = [_body(line, block, index, len(lines)) for index, line in enumerate(lines)]
    strong: set[int] = set()
    for paragraph in _paragraphs(bodies):
        strong |= _strong(bodies, paragraph)
    return _Comment(block, lines, bodies, strong)


def _without_licence(comment: _Comment) -> str | None:
    """The comment without its licence, empty if it is nothing else; None if it has none."""
    bodies, block = comment.bodies, comment.block
    dropped = comment.strong | _weak(bodies, comment.strong)
    if not dropped:
        return None
    left = [index for index, body in enumerate(bodies) if body and index not in dropped]
    if not left:
        return ""
    if block.opener in {'"""', "'''", 'r"""', 'u"""'}:
        return None  # a docstring with a description is a value of the program
    kept = list(_rebuild(comment, dropped))
    if max(dropped) > left[-1]:
        behind = len(kept) - bool(block.closer)
        while behind and kept[behind - 1].strip(_EDGES).lower() in {"", block.marker}:
            behind -= 1
            del kept[behind]
    return "".join(kept)


def _body(line: str, block: Block, index: int, total: int) -> str:
    """The words of a line, or nothing."""
    body = line.strip()
    if block.marker:
        where = body.lower().find(block.marker) if block.marker != ".." or body.startswith("..") else -1
        body = body[where + len(block.marker) :] if where >= 0 else body
    else:
        if index == 0:
            body = body[len(block.opener) :] if body.startswith(block.opener) else body
        if index == total - 1:
            body = body.removesuffix(block.closer.strip())
    # What #!/bin/sh and --!strict leave is read by tools; that of //! and /*! is text.
    if not body.startswith(("!", "+build") if block.marker in {"#", "--"} else "+build"):
        body = body.strip(_EDGES)
    return body[:_LONGEST] if _WORDY.search(body) else ""


def _weak(bodies: list[str], strong: set[int]) -> set[int]:
    """Indices of lines that belong to a licence where one is near."""
    found: set[int] = set()
    for paragraph in _paragraphs(bodies):
        inside = strong.intersection(paragraph)
        first, last = (min(inside), max(inside)) if inside else (len(bodies), len(bodies))
        before = [index for index in paragraph if index < first]
        after = [index for index in paragraph if index > last]
        for part in (before, after):
            if part and WEAK.match(" ".join(bodies[index] for index in part)):
                found.update(part)
    return found


def _paragraphs(bodies: list[str]) -> Iterator[list[int]]:
    paragraph: list[int] = []
    for index, body in enumerate(bodies):
        if body and not KEEP.search(body):
            paragraph.append(index)
        elif paragraph:
            yield paragraph
            paragraph = []
    if paragraph:
        yield paragraph


def _strong(bodies: list[str], paragraph: list[int]) -> set[int]:
    """Lines from the first word of a licence in the paragraph to the end of its last sentence."""
    joined = "\n".join(bodies[index] for index in paragraph)
    low = joined.lower()
    if not any(word in low for word in WORDS):
        return set()
    starts = [0]
    for index in paragraph:
        starts.append(starts[-1] + len(bodies[index]) + 1)
    first, last, position = len(paragraph), -1, 0
    for match in LICENCE.finditer(joined):
        while starts[position + 1] <= match.start():
            position += 1
        first = min(first, position)
        while starts[position + 1] < match.end():
            position += 1
        last = position
    if last < 0:
        return set()
    while (
        first
        and bodies[paragraph[first]][:1].islower()
        and not bodies[paragraph[first - 1]].endswith((".", ":"))
    ):
        first -= 1
    return {paragraph[index] for index in range(first, _last_line(bodies, paragraph, last) + 1)}


def _last_line(bodies: list[str], paragraph: list[int], last: int) -> int:
    """Line on which the sentence of ``last`` ends; a notice has one line more by its look only."""
    for here, following in pairwise(range(last, len(paragraph))):
        body, after = bodies[paragraph[here]], bodies[paragraph[following]]
        if NOTICE.search(body):
            if not (_GOES_ON.search(body) or _MORE.match(after)):
                return here
        elif (body.endswith((".", "!", ":")) or _FIELD.match(after)) and not WEAK.match(after):
            return here
    return len(paragraph) - 1


def _rebuild(comment: _Comment, dropped: set[int]) -> Iterator[str]:
    """Yield what is left, with one separator where a paragraph went."""
    block, lines, bodies, _ = comment
    blank, gap = True, False
    for index, (line, body) in enumerate(zip(lines, bodies, strict=True)):
        is_first = block.opener and index == 0
        is_last = block.closer and index == len(lines) - 1
        if index in dropped:
            gap = True
            if is_first:
                indent = line[: len(line) - len(line.lstrip())]
                yield f"{indent}{block.opener}\n"
            elif is_last:
                tail = line[line.rindex(block.closer.strip()) :]
                yield f"{line[: len(line) - len(line.lstrip())]}{tail}"
        elif body or is_first or is_last:
            yield line
            blank, gap = not body, False
        elif not (blank and gap):
            yield line
            blank = True
