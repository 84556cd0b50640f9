"""What a text is split into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal

import msgspec

Kind = Literal["function", "class", "section", "chunk"]

Reason = Literal["", "no_unit", "does_not_parse", "too_short", "too_long"]
"""Why a text gave no unit."""

Length = Callable[[str], int]
"""How long a text is: ``len`` for characters, or the tokens of a tokenizer."""


class Unit(msgspec.Struct, kw_only=True, frozen=True):
    """A part of a text that stands on its own, with what it needs from the rest.

    Attributes:
        text: The part.
        language: As in the tags of a row (``python``, ``markdown``).
        start: Index of its first character in the text that was split.
        kind: What it is; a method is a function.
        name: Of the function or class (``Stack.push``), or the heading; empty for a chunk.
        context: Imports, constants and the head of the class that the part needs, or the headings above it,
            one a line.
    """

    text: str
    language: str
    start: int
    kind: Kind
    name: str = ""
    context: str = ""

    @property
    def source(self) -> str:
        """The part behind its context: code that parses by itself."""
        return f"{self.context}\n\n{self.text}" if self.context else self.text


class Split(msgspec.Struct, kw_only=True, frozen=True):
    """The units of a text.

    Attributes:
        units: In the order of the text, without overlaps.
        reason: Why there is none; empty where there are some.
        dropped: Parts that are no unit, by reason.
    """

    units: list[Unit] = []
    reason: Reason = ""
    dropped: dict[str, int] = {}


class Sieve:
    """Collects units within the bounds of length and counts the others.

    Args:
        min_chars: Shortest unit, as ``length`` counts.
        max_chars: Longest unit.
        length: How long a text is.
    """

    def __init__(self, min_chars: int, max_chars: int, length: Length) -> None:
        self.min_chars = min_chars
        self.max_chars = max_chars
        self.length = length
        self._units: list[Unit] = []
        self._dropped: Counter[str] = Counter()
        self._commonest: Reason = "no_unit"

    def fits(self, text: str) -> bool:
        """Whether ``text`` is no longer than the longest unit."""
        return self.length(text) <= self.max_chars

    def add(self, unit: Unit) -> None:
        """Take a unit that is neither too long nor too short."""
        size = self.length(unit.text)
        if size > self.max_chars:
            self.drop("too_long")
        elif size < self.min_chars:
            self.drop("too_short")
        else:
            self._units.append(unit)

    def drop(self, reason: Reason) -> None:
        """Count a part that is no unit."""
        self._dropped[reason] += 1
        if self._dropped[reason] > self._dropped[self._commonest]:
            self._commonest = reason

    def split(self) -> Split:
        """What was collected; without units, the commonest reason."""
        reason: Reason = "" if self._units else self._commonest
        return Split(units=self._units, reason=reason, dropped=dict(self._dropped))
