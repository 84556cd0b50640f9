"""Pages to units: whole sections with their headings, and no block of code cut in half.

The header splitter of langchain-text-splitters strips every line, code included, and its splitter of HTML
joins paragraphs and code into one line, so both are read here; theirs cuts paragraphs that are too long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from synth.split.blocks import Block, blocks
from synth.split.clean import clean_page
from synth.split.fallback import pieces
from synth.split.unit import Length, Sieve, Split, Unit

PageKind = Literal["markdown", "html", "text"]


def split_page(
    text: str, kind: PageKind, *, min_chars: int = 200, max_chars: int = 6000, length: Length = len
) -> Split:
    """Split a page into sections.

    A section with all that is below it is one unit if that is short enough; else its own text is one, and
    those below are split alike. Text that is too long is cut between paragraphs.

    Args:
        text: The page. HTML becomes Markdown first, by :func:`synth.split.clean.clean_page`, and places are
            those in the Markdown.
        kind: What the page is written in.
        min_chars: Shortest unit, as ``length`` counts.
        max_chars: Longest unit; a block of code that is longer is left out whole.
        length: How long a text is; characters without it.

    Raises:
        DependencyError: A package for HTML or for long paragraphs is not installed.
    """
    if kind == "html":
        return split_page(
            clean_page(text, "html"), "markdown", min_chars=min_chars, max_chars=max_chars, length=length
        )
    sieve = Sieve(min_chars, max_chars, length)
    found = list(blocks(text)) if kind == "markdown" else _paragraphs(text)
    _Sections(text, kind, sieve).collect(found, [])
    return sieve.split()


def _paragraphs(text: str) -> list[Block]:
    """Runs of lines with the empty lines behind them."""
    found, at = [], 0
    for part in text.split("\n\n"):
        end = min(len(text), at + len(part) + 2)
        found.append(Block("text", at, end))
        at = end
    return found


class _Sections:
    """Collects the units of one page."""

    def __init__(self, text: str, language: str, sieve: Sieve) -> None:
        self.text = text
        self.language = language
        self.sieve = sieve

    def collect(self, found: Sequence[Block], path: list[str]) -> None:
        if not found:
            return
        if self.sieve.fits(self._strip(found[0].start, found[-1].end)[1]):
            self._add(found[0].start, found[-1].end, found, path)
            return
        own = 1 if found[0].kind == "heading" else 0
        levels = [block.level for block in found[own:] if block.kind == "heading"]
        if not levels:
            self._pack(found, path)
            return
        top = min(levels)
        starts = [n for n in range(own, len(found)) if found[n].level == top]
        first = next(n for n in range(own, len(found)) if found[n].level)
        title = [found[0].title] if own else []
        if first:
            self._pack(found[:first], path)
        if first < starts[0]:  # a deeper heading before the first of the highest level
            self.collect(found[first : starts[0]], path + title)
        for start, end in zip(starts, [*starts[1:], len(found)], strict=True):
            self.collect(found[start:end], path + title)

    def _pack(self, found: Sequence[Block], path: list[str]) -> None:
        """Cut between blocks, each unit as long as it may be."""
        run: list[Block] = []
        title = [found[0].title] if found[0].kind == "heading" else []
        for block in found:
            if run and not self.sieve.fits(self._strip(run[0].start, block.end)[1]):
                self._add(run[0].start, run[-1].end, run, path)
                run, path, title = [], path + title, []
            run.append(block)
        if run:
            self._add(run[0].start, run[-1].end, run, path)

    def _add(self, start: int, end: int, run: Sequence[Block], path: list[str]) -> None:
        start, text = self._strip(start, end)
        if not text:
            return
        head = next((block for block in run if block.kind == "heading"), None)
        name = head.title if head is not None else path[-1] if path else ""
        if len(run) == 1 and run[0].kind == "text" and not self.sieve.fits(text):
            for at, piece in pieces(text, self.language, self.sieve.max_chars, self.sieve.length):
                self._take(start + at, piece, name, path)
            return
        self._take(start, text, name, path)

    def _take(self, start: int, text: str, name: str, path: list[str]) -> None:
        self.sieve.add(
            Unit(
                text=text,
                language=self.language,
                start=start,
                kind="section",
                name=name,
                context="\n".join(filter(None, path)),
            )
        )

    def _strip(self, start: int, end: int) -> tuple[int, str]:
        """A part of the page without the empty lines around it, and where that begins."""
        text = self.text[start:end].rstrip()
        bare = text.lstrip("\r\n")
        return start + len(text) - len(bare), bare
