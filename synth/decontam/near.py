"""Held-out texts that a text is nearly equal to."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from opencoder.errors import DependencyError

THRESHOLD = 0.6
"""Least Jaccard similarity of the pairs of words."""

_LEAST_PAIRS = 6
_BANDS, _ROWS = 20, 3  # at the threshold, 99 % of the pairs become candidates: 1 - (1 - 0.6**3)**20


class NearIndex:
    """Held-out texts by MinHash (``datasketch``); candidates are compared by their exact Jaccard similarity.

    Args:
        texts: The words of each text, by its number.
    """

    def __init__(self, texts: Mapping[int, Sequence[str]]) -> None:
        sketch, lsh = _datasketch()
        self._empty = sketch(num_perm=_BANDS * _ROWS, hashfunc=zlib.crc32)
        self._pairs = {number: _pairs(text) for number, text in texts.items()}
        self._pairs = {number: pairs for number, pairs in self._pairs.items() if len(pairs) >= _LEAST_PAIRS}
        self._known = frozenset[bytes]().union(*self._pairs.values())
        self._lsh = lsh(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
        for number, pairs in self._pairs.items():
            self._lsh.insert(number, self._sketch(pairs))

    def find(self, words: Sequence[str]) -> list[tuple[int, float]]:
        """Return ``(text, similarity)`` of the held-out texts that the words are nearly equal to."""
        pairs = _pairs(words)
        # A text can only be that similar to one of ours if so many of its pairs are in any of ours.
        if len(pairs) < _LEAST_PAIRS or len(pairs & self._known) < THRESHOLD * len(pairs):
            return []
        found: list[tuple[int, float]] = []
        for number in sorted(self._lsh.query(self._sketch(pairs))):
            other = self._pairs[number]
            similarity = len(pairs & other) / len(pairs | other)
            if similarity >= THRESHOLD:
                found.append((number, similarity))
        return found

    def _sketch(self, pairs: set[bytes]) -> Any:
        sketch = self._empty.copy()  # the permutations cost more than all the rest
        sketch.update_batch(list(pairs))
        return sketch


def _pairs(words: Sequence[str]) -> set[bytes]:
    return {f"{one} {two}".encode() for one, two in itertools.pairwise(words)}


def _datasketch() -> tuple[Any, Any]:
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError as error:
        raise DependencyError(
            "decontamination needs datasketch", repair="pip install 'opencoder[synth]'"
        ) from error
    return MinHash, MinHashLSH
