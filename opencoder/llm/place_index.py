"""From keys to places in files, small enough for millions of keys."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

MIN_SLOTS = 1 << 10


class PlaceIndex:
    """A table with open addressing: 32 to 64 bytes a key, where a ``dict`` takes 200.

    Keys are hexadecimal digests. A slot holds the first 64 bits of one and a place above 0; who reads the
    place tells apart keys that begin alike.
    """

    def __init__(self) -> None:
        self._used = 0
        self._marks = array("Q", bytes(8 * MIN_SLOTS))
        self._places = array("Q", bytes(8 * MIN_SLOTS))

    def __len__(self) -> int:
        return self._used

    def places(self, key: str) -> Iterator[int]:
        """Yield the places of this key; as good as always one or none."""
        mark = int(key[:16], 16)
        slot = mark % len(self._marks)
        while self._places[slot]:
            if self._marks[slot] == mark:
                yield self._places[slot]
            slot = (slot + 1) % len(self._marks)

    def add(self, key: str, place: int) -> None:
        """Add the place of a key that is not in yet."""
        if self._used * 2 >= len(self._marks):
            self._grow()
        self._put(int(key[:16], 16), place)
        self._used += 1

    def _put(self, mark: int, place: int) -> None:
        slot = mark % len(self._marks)
        while self._places[slot]:
            slot = (slot + 1) % len(self._marks)
        self._marks[slot] = mark
        self._places[slot] = place

    def _grow(self) -> None:
        marks, places = self._marks, self._places
        self._marks = array("Q", bytes(16 * len(marks)))
        self._places = array("Q", bytes(16 * len(marks)))
        for mark, place in zip(marks, places, strict=True):
            if place:
                self._put(mark, place)
