"""Repetition of word n-grams, after Gopher (arXiv:2112.11446, table A1).

Words become integers. An n-gram can repeat only where both (n-1)-grams inside it repeat, so a step looks at
the few places that are left of the step before and names an n-gram by the pair of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LONGEST = 10


class Ngrams:
    """Shares of characters in repeated n-grams of ``words``, n from 2 to 10.

    An n-gram's characters are those of its words; every share is of the characters of all words.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.num_chars = 0
        self._top = dict.fromkeys(range(2, LONGEST + 1), 0.0)
        self._dupe = dict.fromkeys(range(2, LONGEST + 1), 0.0)
        ids: dict[str, int] = {}
        words_id = [ids.setdefault(word, len(ids)) for word in words]
        self.num_distinct = len(ids)
        if words:
            lengths_of_id = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
            self._count(np.array(words_id, dtype=np.int64), lengths_of_id)

    def top(self, n: int) -> float:
        """Characters of the most frequent n-gram times its count; overlaps count repeatedly."""
        return self._top[n]

    def dupe(self, n: int) -> float:
        """Characters of words in any n-gram that occurs twice, every word once."""
        return self._dupe[n]

    def _count(self, classes: Any, lengths_of_id: Any) -> None:
        lengths = lengths_of_id[classes]
        before = np.concatenate(([0], np.cumsum(lengths)))  # characters before each word
        self.num_chars = int(before[-1])
        counts = np.bincount(classes)
        classes = np.where(counts[classes] > 1, classes, -1)
        num_classes = len(counts)
        for n in range(2, LONGEST + 1):
            places = np.flatnonzero((classes[:-1] >= 0) & (classes[1:] >= 0))
            if not len(places):
                return
            keys = classes[places] * num_classes + classes[places + 1]
            _, first, inverse, counts = np.unique(
                keys, return_index=True, return_inverse=True, return_counts=True
            )
            repeated = counts[inverse] > 1
            if not repeated.any():
                return
            best = np.flatnonzero(counts == counts.max())
            start = int(places[first[best].min()])  # the first seen wins a tie
            self._top[n] = float(before[start + n] - before[start]) * float(counts.max()) / self.num_chars
            places = places[repeated]
            self._dupe[n] = self._covered(places, n, lengths) / self.num_chars
            classes = np.full(len(classes) - 1, -1, dtype=np.int64)
            classes[places] = inverse[repeated]
            num_classes = len(counts)

    @staticmethod
    def _covered(places: Any, n: int, lengths: Any) -> float:
        steps = np.zeros(len(lengths) + 1, dtype=np.int64)
        steps[places] += 1
        steps[places + n] -= 1
        return float(lengths[np.cumsum(steps[:-1]) > 0].sum())
