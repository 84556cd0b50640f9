"""The forms of a data set, and what a writer of one does."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple, Protocol

from synth.record import Row

Format = Literal["opc-sft-stage2", "messages", "parquet"]


class Config(NamedTuple):
    """A configuration of the data set, as the card lists it.

    Attributes:
        name: What ``datasets.load_dataset(folder, name)`` calls it.
        pattern: Its files, relative to the folder.
        rows: How many there are.
    """

    name: str
    pattern: str
    rows: int


class Writer(Protocol):
    """Writes a data set of one form."""

    left_out: Counter[str]
    """What the form has no place for, in rows that were written."""

    def add(self, number: int, row: Row) -> str:
        """Write a row, the ``number``-th of the input from 0.

        Returns:
            Why it cannot be written; empty if it was.
        """
        ...

    def close(self) -> list[Config]:
        """Write what waits."""
        ...
