"""The inner loops of deduplication without a compiler: equal results, about a tenth of the speed.

See ``corpus.dedup.kernels_numba`` for what each function does; this one is used where numba is not installed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint32]

_C1, _C2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)
_F1, _F2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_BAND_SEED, _BAND_MUL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)

_CHUNK = 64
"""Shingles of one pass over all lanes: the table of 64 x 2048 values stays within half a megabyte."""


def hash_words(data: Bytes, word_byte: NDArray[np.bool_], width: int) -> Hashes:
    """Hash each run of ``width`` words of ``data`` (one blank between them), in order, repeats included."""
    inside = np.concatenate(([False], word_byte[data], [False]))
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    sizes = edges[1::2] - edges[::2]
    if not sizes.size:
        return np.empty(0, np.uint32)
    # Of what is between two words, the first byte stays, as a blank.
    kept = inside[1:-1] | inside[:-2]
    text = np.where(inside[1:-1], data, np.uint8(32))[kept]
    starts = np.concatenate(([0], np.cumsum(sizes + 1)[:-1]))
    return _hash_slices(text, starts, starts + sizes, width)


def hash_characters(data: Bytes, width: int) -> Hashes:
    """Hash each run of ``width`` characters of ``data``, in order, repeats included."""
    if not data.size:
        return np.empty(0, np.uint32)
    first = (data & 0xC0) != 0x80
    first[0] = True
    starts = np.flatnonzero(first)
    return _hash_slices(data, starts, np.concatenate((starts[1:], [data.size])), width)


def _hash_slices(data: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], width: int) -> Hashes:
    if starts.size < width:
        return _murmur3(data, starts[:1], ends[-1:])
    return _murmur3(data, starts[: starts.size - width + 1], ends[width - 1 :])


def _murmur3(data: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
    """MurmurHash3_x86_32 with seed 0 of many slices at once: the k-th words of all of them, then the next."""
    sizes = ends - starts
    padded = np.concatenate((data, np.zeros(4, np.uint8)))
    out = np.zeros(starts.size, np.uint32)
    # Longest first, so that the slices that still have a k-th word are a prefix.
    order = np.argsort(-sizes, kind="stable")
    blocks = (sizes // 4)[order]
    counts = np.searchsorted(-blocks, -np.arange(1, int(blocks[0]) + 1), side="right")
    h = out[order]
    at = starts[order].copy()
    for count in counts:
        part = h[:count] ^ _scramble(_load(padded, at[:count], 4))
        h[:count] = _rotate(part, 13) * np.uint32(5) + np.uint32(0xE6546B64)
        at[:count] += 4
    rest = (sizes % 4)[order]
    for size in (1, 2, 3):
        chosen = np.flatnonzero(rest == size)
        h[chosen] ^= _scramble(_load(padded, at[chosen], size))
    out[order] = _fmix(h ^ sizes[order].astype(np.uint32))
    return out


def _load(data: Bytes, at: NDArray[np.int64], size: int) -> Hashes:
    word = np.zeros(at.size, np.uint32)
    for i in range(size):
        word |= data[at + i].astype(np.uint32) << np.uint32(8 * i)
    return word


def _scramble(k: Hashes) -> Hashes:
    return _rotate(k * _C1, 15) * _C2


def _rotate(x: Hashes, by: int) -> Hashes:
    return (x << np.uint32(by)) | (x >> np.uint32(32 - by))


def _fmix(h: Hashes) -> Hashes:
    h = (h ^ (h >> np.uint32(16))) * _F1
    h = (h ^ (h >> np.uint32(13))) * _F2
    return h ^ (h >> np.uint32(16))


def signature(hashes: Hashes, a: Hashes, b: Hashes) -> Hashes:
    """Return the least ``a * fmix(h) + b`` mod 2^32 over all hashes, for each lane."""
    out = np.full(a.size, 0xFFFFFFFF, np.uint32)
    mixed = _fmix(hashes)
    for first in range(0, mixed.size, _CHUNK):
        values = mixed[first : first + _CHUNK, None] * a + b
        np.minimum(out, values.min(axis=0), out=out)
    return out


def band_keys(lanes: Hashes, bands: int, rows: int) -> NDArray[np.uint64]:
    """Return a 64-bit key for each band of ``rows`` lanes."""
    keys = np.full(bands, _BAND_SEED, np.uint64)
    table = lanes[: bands * rows].reshape(bands, rows).astype(np.uint64)
    for row in range(rows):
        keys = (keys ^ table[:, row]) * _BAND_MUL
        keys ^= keys >> np.uint64(32)
    return keys


def join(parent: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Unite, in a forest of parents, the trees at both ends of each edge."""
    tree: list[int] = parent.tolist()
    for i, j in zip(left.tolist(), right.tolist(), strict=True):
        a, b = _root(tree, i), _root(tree, j)
        # The lower number becomes the root, whatever the order of the edges.
        if a != b:
            tree[max(a, b)] = min(a, b)
    parent[:] = tree


def _root(tree: list[int], i: int) -> int:
    while tree[i] != i:
        tree[i] = tree[tree[i]]
        i = tree[i]
    return i
