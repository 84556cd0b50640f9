"""Randomness that is a pure function of seed and place, the same on every machine and with every library.

Generators of numpy and torch may draw other numbers in another version; an order of training data must not
change by that in the middle of a run of months.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from train.sequences import Ints

Words: TypeAlias = NDArray[np.uint64]

_ROUNDS = 4
"""Luby and Rackoff 1988: four rounds of a good round function cannot be told from a random permutation."""


def key_of(*parts: int | str) -> int:
    """Return 64 bits that stand for these parts, for seeds that have nothing to do with one another."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def mix(words: Words) -> Words:
    """Return 64 well-mixed bits for each word: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    words = words ^ (words >> np.uint64(30))
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


def hashed(numbers: Ints, key: int) -> Words:
    """Return 64 random bits for each number under a key."""
    return mix(mix(numbers.astype(np.uint64) ^ np.uint64(key)) + np.uint64(0x9E3779B97F4A7C15))


class Permutation:
    """A shuffle of ``0 .. size - 1`` that needs no memory: any part of it can be asked for by itself.

    A Feistel network over the next power of two; what falls outside is sent through again until it falls
    inside, which keeps it a permutation.

    Args:
        size: How many numbers.
        key: 64 bits; another key is another shuffle.
    """

    def __init__(self, size: int, key: int) -> None:
        bits = max(2, (size - 1).bit_length())
        self._size = np.uint64(size)
        self._halves = (bits // 2, bits - bits // 2)
        self._keys = [np.uint64(key_of(key, number)) for number in range(_ROUNDS)]

    def __call__(self, places: Ints) -> Ints:
        """Return which number stands at each place, ``(n,)`` for ``(n,)``."""
        words = self._once(places.astype(np.uint64))
        outside = np.flatnonzero(words >= self._size)
        while outside.size:
            again = self._once(words[outside])
            words[outside] = again
            outside = outside[again >= self._size]
        return words.astype(np.int64)

    def _once(self, words: Words) -> Words:
        high, low = self._halves
        for key in self._keys:
            # The low part moves up unchanged, the high part comes down changed by it.
            kept = words & np.uint64((1 << low) - 1)
            changed = (words >> np.uint64(low)) ^ (mix(kept ^ key) & np.uint64((1 << high) - 1))
            words = (kept << np.uint64(high)) | changed
            high, low = low, high
        return words
