"""Labelled blocks of an answer.

Prompts ask for headings like ``## Solution``. Models write them in many ways (``**Solution**``,
``[Solution]``, ``<solution>``, ``Solution:``), so all of these are read; what stands inside a code fence is
never a heading.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

_THINKING = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)\s*([\w+#.-]*)")
_HASHES = re.compile(r"^\s{0,3}(#{1,6})\s+(?:\d+[.)]\s*)?\**([^#*\n]{1,60}?)\**\s*:?\s*#*\s*$")
_BOLD = re.compile(r"^\s{0,3}(?:\d+[.)]\s*)?\*\*([^*\n]{1,60}?):?\*\*\s*:?\s*(.*)$")
_BRACKET = re.compile(r"^\s{0,3}\[(/?)([A-Za-z][^\]\n]{0,60})\]\s*:?\s*(.*)$")
_TAG = re.compile(r"^\s{0,3}<(/?)([A-Za-z][\w -]{0,40})>\s*(.*)$")
_PLAIN = re.compile(r"^\s{0,3}(?:\d+[.)]\s*)?([A-Za-z][\w ()/-]{0,60}?)\s*:\s*(.*)$")

USUAL = frozenset(
    {
        "task", "problem", "question", "instruction", "analysis", "reasoning", "explanation", "approach",
        "solution", "answer", "code", "tests", "test", "test code", "test cases", "signature", "notes",
    }
)  # fmt: skip
"""Names that end a section wherever they stand as a heading, also when nobody asked for them."""

_ALIASES = {
    "task": ("problem", "question", "instruction", "problem description", "task description"),
    "analysis": ("reasoning", "approach", "explanation"),
    "solution": ("answer", "code", "solution code", "implementation", "reference solution"),
    "tests": ("test", "test code", "test cases", "unit tests", "testing"),
    "signature": ("function signature", "interface"),
}


class _Heading(NamedTuple):
    """A line that begins (or ends) a section: how it is written, its name, and what follows on the line."""

    form: str
    name: str
    rest: str
    closes: bool = False


class Block(NamedTuple):
    """A fenced block: the tag behind the fence, lower case, and the text between."""

    tag: str
    text: str


def without_thinking(text: str) -> str:
    """Cut off what a reasoning model thought aloud before its answer."""
    return _THINKING.sub("", text, count=1)


def find_sections(text: str, wanted: Collection[str]) -> dict[str, str]:
    """Return the wanted sections that are there, without their headings.

    Args:
        text: The answer.
        wanted: Names, lower case, words apart by ``_``.
    """
    names = {alias: name for name in wanted for alias in (name.replace("_", " "), *_ALIASES.get(name, ()))}
    names |= {name.replace("_", " "): name for name in wanted}  # a name that is wanted is no alias
    found: dict[str, list[str]] = {}
    current: str | None = None
    form = ""
    for line, inside in _lines(text):
        heading = None if inside else _heading(line)
        if heading is None or not _ends_here(heading, form, names):
            if current is not None:
                found[current].append(line)
            continue
        name = None if heading.closes else names.get(heading.name)
        current = name if name is not None and name not in found else None
        form = heading.form if name is not None else form
        if current is not None:
            found[current] = [heading.rest] if heading.rest else []
    return {name: text for name, lines in found.items() if (text := "\n".join(lines).strip())}


def find_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a text; one that is not closed runs to the end."""
    blocks: list[Block] = []
    fence, tag, lines = "", "", list[str]()
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if not fence and opened:
            fence, tag, lines = opened[1], opened[2].lower(), []
        elif fence and line.strip() == fence:
            blocks.append(Block(tag, "\n".join(lines)))
            fence = ""
        elif fence:
            lines.append(line)
    if fence:
        blocks.append(Block(tag, "\n".join(lines)))
    return blocks


def prose_of(text: str) -> str:
    """Return the text outside of fenced blocks."""
    return "\n".join(line for line, inside in _lines(text) if not inside)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it belongs to a fenced block."""
    fence = ""
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if fence:
            yield line, True
            if line.strip() == fence:
                fence = ""
        elif opened:
            fence = opened[1]
            yield line, True
        else:
            yield line, False


def _heading(line: str) -> _Heading | None:
    if found := _HASHES.match(line):
        return _Heading("#" * len(found[1]), _plain(found[2]), "")
    if found := _BOLD.match(line):
        return _Heading("**", _plain(found[1]), found[2])
    for form, pattern in (("[", _BRACKET), ("<", _TAG)):
        if found := pattern.match(line):
            return _Heading(form, _plain(found[2]), found[3], closes=bool(found[1]))
    if found := _PLAIN.match(line):
        return _Heading(":", _plain(found[1]), found[2])
    return None


def _ends_here(heading: _Heading, form: str, names: Collection[str]) -> bool:
    """Tell whether a heading ends the section before it.

    A section may have headings of its own: those of another form, or deeper ones.
    """
    if heading.name in names or heading.name in USUAL:
        # A word and a colon in a text is a heading only where the answer is made of such headings.
        return heading.form != ":" or form in ("", ":")
    if heading.form.startswith("#"):
        return form.startswith("#") and len(heading.form) <= len(form)
    return heading.form in ("[", "<") and heading.form == form and heading.closes


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().strip(" :*`").split())
