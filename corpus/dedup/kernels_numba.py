"""Inner loops of deduplication, compiled by numba on their first call and cached beside this file.

All of them release the interpreter lock, so that threads run them side by side. ``kernels_numpy`` has
the same functions without a compiler; tests hold both to equal results.

Numba widens products of 32-bit integers to 64 bits; results are cut back, which LLVM turns into plain 32-bit
vector instructions.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint32]

_compiled = numba.njit(nogil=True, cache=True)

_M32 = np.uint64(0xFFFFFFFF)
_C1, _C2 = np.uint64(0xCC9E2D51), np.uint64(0x1B873593)
_F1, _F2 = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
_FIVE, _ADD = np.uint64(5), np.uint64(0xE6546B64)
_8, _13, _15, _16 = np.uint64(8), np.uint64(13), np.uint64(15), np.uint64(16)
_17, _19, _24 = np.uint64(17), np.uint64(19), np.uint64(24)

_BAND_SEED, _BAND_MUL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_32 = np.uint64(32)

_BLOCK = 4096
"""Shingles of one pass over the lanes: 16 KiB, half of a first-level cache."""


@_compiled
def _fmix(h: Any) -> Any:
    h ^= h >> _16
    h = (h * _F1) & _M32
    h ^= h >> _13
    h = (h * _F2) & _M32
    return h ^ (h >> _16)


@_compiled
def _murmur3(data: Any, start: int, end: int) -> Any:
    """MurmurHash3_x86_32 with seed 0 of a slice."""
    h = np.uint64(0)
    i = start
    while i + 4 <= end:
        k = (
            np.uint64(data[i])
            | (np.uint64(data[i + 1]) << _8)
            | (np.uint64(data[i + 2]) << _16)
            | (np.uint64(data[i + 3]) << _24)
        )
        k = (k * _C1) & _M32
        k = ((k << _15) | (k >> _17)) & _M32
        h ^= (k * _C2) & _M32
        h = ((h << _13) | (h >> _19)) & _M32
        h = (h * _FIVE + _ADD) & _M32
        i += 4
    if i < end:
        k = np.uint64(0)
        shift = np.uint64(0)
        while i < end:
            k |= np.uint64(data[i]) << shift
            shift += _8
            i += 1
        k = (k * _C1) & _M32
        k = ((k << _15) | (k >> _17)) & _M32
        h ^= (k * _C2) & _M32
    return _fmix(h ^ (np.uint64(end - start) & _M32))


@_compiled
def _hash_slices(data: Any, starts: Any, ends: Any, num: int, width: int) -> Any:
    """Hash each run of ``width`` neighbouring slices, or all of them as one if there are fewer."""
    if num == 0:
        return np.empty(0, np.uint32)
    if num < width:
        out = np.empty(1, np.uint32)
        out[0] = _murmur3(data, starts[0], ends[num - 1])
        return out
    out = np.empty(num - width + 1, np.uint32)
    for i in range(out.size):
        out[i] = _murmur3(data, starts[i], ends[i + width - 1])
    return out


@_compiled
def _words(data: Any, word_byte: Any, width: int) -> Any:
    """Copy the words with one blank between them, so that a shingle is one slice, and hash the shingles."""
    text = np.empty(data.size + 1, np.uint8)
    starts = np.empty(data.size // 2 + 1, np.int64)
    ends = np.empty(data.size // 2 + 1, np.int64)
    num = 0
    at = 0
    inside = False
    for byte in data:
        if word_byte[byte]:
            if not inside:
                starts[num] = at
                inside = True
            text[at] = byte
            at += 1
        elif inside:
            ends[num] = at
            num += 1
            text[at] = 32
            at += 1
            inside = False
    if inside:
        ends[num] = at
        num += 1
    return _hash_slices(text, starts, ends, num, width)


@_compiled
def _characters(data: Any, width: int) -> Any:
    starts = np.empty(data.size, np.int64)
    ends = np.empty(data.size, np.int64)
    num = 0
    for i in range(data.size):
        if i == 0 or (data[i] & 0xC0) != 0x80:
            if num:
                ends[num - 1] = i
            starts[num] = i
            num += 1
    if num:
        ends[num - 1] = data.size
    return _hash_slices(data, starts, ends, num, width)


@_compiled
def _signature(hashes: Any, a: Any, b: Any, out: Any) -> None:
    mixed = np.empty(hashes.size, np.uint32)
    for i in range(hashes.size):
        mixed[i] = _fmix(np.uint64(hashes[i]))
    for first in range(0, hashes.size, _BLOCK):
        block = mixed[first : first + _BLOCK]
        for lane in range(out.size):
            factor, addend, least = a[lane], b[lane], out[lane]
            for h in block:
                value = np.uint32(np.uint32(factor * h) + addend)
                least = min(least, value)
            out[lane] = least


@_compiled
def _band_keys(signature: Any, rows: int, out: Any) -> None:
    for band in range(out.size):
        key = _BAND_SEED
        for lane in range(band * rows, (band + 1) * rows):
            key = (key ^ np.uint64(signature[lane])) * _BAND_MUL
            key ^= key >> _32
        out[band] = key


@_compiled
def _root(parent: Any, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@_compiled
def _join(parent: Any, left: Any, right: Any) -> None:
    for i in range(left.size):
        a, b = _root(parent, left[i]), _root(parent, right[i])
        # The lower number becomes the root, whatever the order of the edges.
        if a < b:
            parent[b] = a
        elif b < a:
            parent[a] = b


def hash_words(data: Bytes, word_byte: NDArray[np.bool_], width: int) -> Hashes:
    """Hash each run of ``width`` words of ``data`` (one blank between them), in order, repeats included."""
    result: Hashes = _words(data, word_byte, width)
    return result


def hash_characters(data: Bytes, width: int) -> Hashes:
    """Hash each run of ``width`` characters of ``data``, in order, repeats included."""
    result: Hashes = _characters(data, width)
    return result


def signature(hashes: Hashes, a: Hashes, b: Hashes) -> Hashes:
    """Return the least ``a * fmix(h) + b`` mod 2^32 over all hashes, for each lane."""
    out = np.full(a.size, 0xFFFFFFFF, np.uint32)
    _signature(hashes, a, b, out)
    return out


def band_keys(lanes: Hashes, bands: int, rows: int) -> NDArray[np.uint64]:
    """Return a 64-bit key for each band of ``rows`` lanes."""
    out = np.empty(bands, np.uint64)
    _band_keys(lanes, rows, out)
    return out


def join(parent: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Unite, in a forest of parents, the trees at both ends of each edge."""
    _join(parent, left, right)
