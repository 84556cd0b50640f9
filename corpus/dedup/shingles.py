"""What two files have in common: sets of shingles, each known by a 32-bit hash.

``word5``
    Words are runs of ``[A-Za-z0-9_]`` or of bytes from 0x80 on (letters of any other script, and whatever
    is not UTF-8); a shingle is five words in a row, joined by one blank, wherever lines end. BigCode splits
    at everything but ``[A-Za-z0-9_]``, which would leave a file in Chinese without words. A file of one to
    four words has one shingle: all of its words.
``char5``
    Five characters in a row, blanks and line ends included. A byte that continues no character belongs to
    the one before it, so files that are not UTF-8 need no repair. A file of one to four characters has
    one shingle.

A file without words (or characters) has no shingles and is never a near-duplicate of anything.

The hash is MurmurHash3 (x86, 32 bits, seed 0) of the shingle's bytes: as good for this end as datasketch's
SHA-1 and far quicker. Given to datasketch as ``hashfunc`` it yields the same signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from corpus.dedup.kernels import Kernels, best_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.dedup.profiles import Shingle

WIDTH = 5
"""Words or characters of a shingle."""

_WORD_BYTE = np.zeros(256, np.bool_)
_WORD_BYTE[
    [*range(ord("0"), ord("9") + 1), *range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1)]
] = True
_WORD_BYTE[[ord("_"), *range(0x80, 0x100)]] = True


def shingle_hashes(
    content: bytes | memoryview, shingle: Shingle, kernels: Kernels | None = None
) -> NDArray[np.uint32]:
    """Return the hashes of the distinct shingles of a file in rising order; none for a file without words.

    Repeats go before the lanes see them: on real code they are an eighth of the work.
    """
    kernels = kernels or best_kernels()
    data = np.frombuffer(content, np.uint8)
    hashes = (
        kernels.hash_words(data, _WORD_BYTE, WIDTH)
        if shingle == "word5"
        else kernels.hash_characters(data, WIDTH)
    )
    hashes.sort()
    if hashes.size < 2:
        return hashes
    distinct = np.empty(hashes.size, np.bool_)
    distinct[0] = True
    np.not_equal(hashes[1:], hashes[:-1], out=distinct[1:])
    return hashes[distinct]


def word_starts(content: bytes | memoryview) -> NDArray[np.int64]:
    """Return where the words of a document begin."""
    inside = _WORD_BYTE[np.frombuffer(content, np.uint8)]
    opens = inside.copy()
    opens[1:] &= ~inside[:-1]
    return np.flatnonzero(opens)


def jaccard(left: NDArray[np.uint32], right: NDArray[np.uint32]) -> float:
    """Return the Jaccard similarity of two shingle sets, 1 for two empty ones.

    It is exact over hashes; that two shingles share one is a matter of 1 in 4 billion.
    """
    if not left.size and not right.size:
        return 1.0
    common = np.intersect1d(left, right, assume_unique=True).size
    return float(common / (left.size + right.size - common))
