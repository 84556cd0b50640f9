"""From keys to places in files, small enough for millions of keys."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Literal

MIN_SLOTS = 1 << 10
_TYPES: dict[int, Literal["I", "Q"]] = {32: "I", 64: "Q"}


class PlaceIndex:
    """A table with open addressing: 32 to 64 bytes a key, where a ``dict`` takes 200.

    Keys are hexadecimal digests. A slot holds the first bits of one and a place above 0; who reads the place
    tells apart keys that begin alike.

    Args:
        bits: Of a key and of a place that are kept; 32 take half of the memory.
    """

    def __init__(self, bits: Literal[32, 64] = 64) -> None:
        self._digits = bits // 4
        self._type = _TYPES[bits]
        self._used = 0
        self._marks = self._slots(MIN_SLOTS)
        self._places = self._slots(MIN_SLOTS)

    def __len__(self) -> int:
        return self._used

    def places(self, key: str) -> Iterator[int]:
        """Yield the places of this key; as good as always one or none."""
        mark = int(key[: self._digits], 16)
        slot = mark % len(self._marks)
        while self._places[slot]:
            if self._marks[slot] == mark:
                yield self._places[slot]
            slot = (slot + 1) % len(self._marks)

    def add(self, key: str, place: int) -> None:
        """Add the place of a key that is not in yet."""
        if self._used * 2 >= len(self._marks):
            self._grow()
        self._put(int(key[: self._digits], 16), place)
        self._used += 1

    def _slots(self, count: int) -> array[int]:
        made = array(self._type)
        made.frombytes(bytes(count * made.itemsize))
        return made

    def _put(self, mark: int, place: int) -> None:
        slot = mark % len(self._marks)
        while self._places[slot]:
            slot = (slot + 1) % len(self._marks)
        self._marks[slot] = mark
        self._places[slot] = place

    def _grow(self) -> None:
        marks, places = self._marks, self._places
        self._marks = self._slots(2 * len(marks))
        self._places = self._slots(2 * len(marks))
        for mark, place in zip(marks, places, strict=True):
            if place:
                self._put(mark, place)
