"""Words of a text, and repetition of word n-grams after Gopher (arXiv:2112.11446, table A1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from corpus.signals import kernels
from corpus.text.characters import Codes, kinds


class Vocabulary:
    """Words as numbers, counted.

    An n-gram's characters are those of its words; every share is of the characters of all words.

    Args:
        ids: Number of each word, in order.
        lengths: Characters, by number.
        counts: Occurrences, by number; numbers go by first occurrence.
    """

    def __init__(self, ids: Any, lengths: Any, counts: Any) -> None:
        self.num_words = len(ids)
        self.num_distinct = len(lengths)
        self.counts = counts
        self.num_chars = int(lengths @ counts)
        self._top, self._dupe = kernels.find_repetition(ids, lengths)

    @classmethod
    def of_codes(cls, codes: Codes) -> Vocabulary:
        """Cut a text at white space and between word and other characters."""
        return cls(*kernels.find_words(codes, kinds()))

    @classmethod
    def of_words(cls, words: Sequence[str]) -> Vocabulary:
        """Take words as a dictionary has cut them."""
        numbers: dict[str, int] = {}
        ids = np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int32)
        lengths = np.array(list(map(len, numbers)), dtype=np.int64)
        return cls(ids, lengths, np.bincount(ids, minlength=len(lengths)).astype(np.int64))

    def top(self, n: int) -> float:
        """Characters of the most frequent n-gram times its count; overlaps count repeatedly."""
        return self._share(self._top[n])

    def dupe(self, n: int) -> float:
        """Characters of words in any n-gram that occurs twice, every word once."""
        return self._share(self._dupe[n])

    def _share(self, chars: Any) -> float:
        return float(chars) / self.num_chars if self.num_chars else 0.0
