"""Hashed character n-grams and the shape of lines, of many texts at once.

Texts are laid out in one array of bytes with zeros between them, so that all texts of a batch go through
the same few numpy calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
"""Grows when the same text gets other features; a model fits one version only."""

MAX_CHARS = 4096
"""Of a text, the beginning; about 1,000 tokens, which is what Stack-Edu's classifiers read."""

LENGTHS = (2, 3, 4, 5)
BITS = 18
NUM_BUCKETS = 1 << BITS

_PAD = max(LENGTHS) - 1
_BATCH_BYTES = 1 << 17
_BATCH_TEXTS = 1 << 12  # the number of a text and a bucket share 32 bits
_BASE = 0x01000193
_MIX = 0x9E3779B1

CLASSES = (
    "other",
    "lower",
    "upper",
    "digit",
    "space",
    "newline",
    "bracket",
    "quote",
    "operator",
    "_",
    "#",
    ".,:;",
)
_MEMBERS = {
    1: b"abcdefghijklmnopqrstuvwxyz",
    2: b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    3: b"0123456789",
    4: b" \t\r\f\v",
    5: b"\n",
    6: b"()[]{}",
    7: b"\"'`",
    8: b"=+-*/<>%&|^~!?@",
    9: b"_",
    10: b"#",
    11: b".,:;",
}
SHAPES = (
    *(f"share of {name}" for name in CLASSES),
    "log bytes",
    "log lines",
    "mean line",
    "longest line",
    "share of blank lines",
    "share of comment lines",
    "mean indentation",
    "deepest indentation",
    "has a triple quote",
    "share of distinct n-grams",
)
"""Names of the columns of :attr:`Batch.shapes`."""


class Batch(NamedTuple):
    """Features of some texts; those of text ``i`` are at ``starts[i]:starts[i + 1]``.

    Attributes:
        starts: One more than texts.
        buckets: Distinct buckets per text, ascending.
        counts: How often each occurs there.
        shapes: Texts by :data:`SHAPES`.
    """

    starts: NDArray[np.int64]
    buckets: NDArray[np.int32]
    counts: NDArray[np.float32]
    shapes: NDArray[np.float32]


def batches(texts: Sequence[str]) -> Iterator[Batch]:
    """Yield the features of all texts, in their order, in batches that fit a processor's cache."""
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        waiting.append(text[:MAX_CHARS].encode("utf-8", "replace"))
        size += len(waiting[-1])
        if size >= _BATCH_BYTES or len(waiting) == _BATCH_TEXTS:
            yield _features(waiting)
            waiting, size = [], 0
    if waiting:
        yield _features(waiting)


def _features(texts: list[bytes]) -> Batch:
    import numpy as np

    gap = bytes(_PAD)
    data = np.frombuffer(gap + gap.join(texts) + gap, np.uint8)
    sizes = np.array([len(text) + _PAD for text in texts], np.int64)
    owner = np.repeat(np.arange(len(texts), dtype=np.uint32), sizes)
    starts, buckets, counts = _grams(data, owner, len(texts))
    distinct = np.diff(starts) / (len(LENGTHS) * sizes)
    shapes = np.column_stack([_shapes(data[: len(owner)], owner, sizes - _PAD), distinct])
    return Batch(starts, buckets, counts, shapes.astype(np.float32))


def _grams(
    data: NDArray[np.uint8], owner: NDArray[np.uint32], num_texts: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Count the hashed n-grams of each text: a polynomial hash over bytes, one byte longer at a time.

    A gram belongs to the text that its first byte, or the gap before it, belongs to; thus the two ends of
    a text are seen as such, and neighbours in the batch change nothing.
    """
    import numpy as np

    num = len(owner)
    base, mix, shift = np.uint32(_BASE), np.uint32(_MIX), np.uint32(32 - BITS)
    high = owner << np.uint32(BITS)
    keys = np.empty((len(LENGTHS), num), np.uint32)
    rolled = data[:num].astype(np.uint32)
    for row, length in enumerate(LENGTHS):
        rolled = rolled * base + data[length - 1 : length - 1 + num]
        mixed = (rolled ^ (rolled >> np.uint32(15)) ^ np.uint32(length << 24)) * mix
        keys[row] = high | ((mixed ^ (mixed >> np.uint32(13))) * mix >> shift)
    ordered = np.sort(keys, axis=None)
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(first, append=len(ordered)).astype(np.float32)
    found = ordered[first]
    starts = np.searchsorted(found >> np.uint32(BITS), np.arange(num_texts + 1))
    return starts.astype(np.int64), (found & np.uint32(NUM_BUCKETS - 1)).astype(np.int32), counts


def _shapes(
    data: NDArray[np.uint8], owner: NDArray[np.uint32], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the columns of :data:`SHAPES` but the last."""
    import numpy as np

    table = np.zeros(256, np.int64)
    for kind, members in _MEMBERS.items():
        table[list(members)] = kind
    num, num_texts = len(CLASSES), len(sizes)
    shares = np.bincount(owner * np.int64(num) + table[data], minlength=num * num_texts).reshape(
        num_texts, num
    )
    shares[:, 0] -= _PAD
    per_byte = np.maximum(sizes, 1)[:, None]
    triple = (data[2:] == data[1:-1]) & (data[1:-1] == data[:-2]) & ((data[2:] == 34) | (data[2:] == 39))
    quoted = np.bincount(owner[2:][triple], minlength=num_texts) > 0
    lines = _line_shapes(data, owner, sizes)
    return np.column_stack([shares / per_byte, np.log1p(sizes), lines, quoted.astype(np.float64)])


def _line_shapes(
    data: NDArray[np.uint8], owner: NDArray[np.uint32], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the seven columns from ``log lines`` to ``deepest indentation``."""
    import numpy as np

    begins = np.cumsum(sizes + _PAD) - sizes  # where the text of each gap-and-text begins
    breaks = np.flatnonzero(data == 10)
    starts = np.sort(np.concatenate([begins, breaks + 1]))
    starts = starts[starts < len(data)]
    # A text that ends in a newline has an empty last line, which is the gap of the next one.
    starts = starts[data[starts] != 0]
    if not len(starts):
        return np.zeros((len(sizes), 7))
    whose = owner[starts].astype(np.int64)
    inner = _next(starts, (data != 32) & (data != 9), len(data) - 1)
    lengths = _next(starts, (data == 10) | (data == 0), len(data)) - starts
    mark, after = data[inner], data[np.minimum(inner + 1, len(data) - 1)]
    blank = mark == 10
    comment = (mark == 35) | (mark == 42) | ((mark == 47) & ((after == 47) | (after == 42)))
    indent = np.where(blank, 0, inner - starts)
    num_lines = np.bincount(whose, minlength=len(sizes))
    per_line = np.maximum(num_lines, 1)

    def mean(values: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(whose, values.astype(np.float64), len(sizes)) / per_line

    def largest(values: NDArray[np.int64]) -> NDArray[np.int64]:
        most = np.zeros(len(sizes), np.int64)
        np.maximum.at(most, whose, values)
        return most

    columns = [np.log1p(num_lines), mean(lengths), np.log1p(largest(lengths)), mean(blank), mean(comment)]
    return np.column_stack([*columns, mean(indent), largest(indent).astype(np.float64)])


def _next(starts: NDArray[np.int64], marked: NDArray[np.bool_], last: int) -> NDArray[np.int64]:
    """Return for each start the first marked place from there on, or ``last``."""
    import numpy as np

    places = np.append(np.flatnonzero(marked), last)
    return places[np.cumsum(marked, dtype=np.int64)[starts] - marked[starts]]
