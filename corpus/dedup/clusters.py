"""From band keys to clusters of near-duplicates.

Files that share a key of one band are a bucket; each is tied to the lowest number of its bucket (a star, not
all pairs), and what is tied together over all bands is a cluster. A cluster is therefore a connected
component: where A is like B and B like C, C goes with A, even if those two are less alike. Numbers follow the
order of ids and the lower number always becomes the root, so that the outcome depends neither on the order of
the input nor on how many workers there were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from corpus.dedup.kernels import Kernels, best_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(kw_only=True, slots=True)
class Buckets:
    """What buckets of two or more files were seen, over all bands.

    A large bucket costs no more than its files, since its edges are a star; so none is cut off, which would
    lose true duplicates. It hints at boilerplate, as does a large cluster.

    Attributes:
        num: How many.
        num_edges: Files in them besides the first of each: the candidate pairs that were looked at.
        largest: Files of the largest.
    """

    num: int = 0
    num_edges: int = 0
    largest: int = 0

    def add(self, centres: NDArray[np.int64]) -> None:
        """Count the buckets of a band, given the inner end of each of its edges."""
        if centres.size:
            sizes = np.bincount(np.unique(centres, return_inverse=True)[1])
            self.num += sizes.size
            self.num_edges += centres.size
            self.largest = max(self.largest, int(sizes.max()) + 1)


def star_edges(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for one band, an edge from every file but the first of a bucket to that first one."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    opens = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    # The sort is stable, so the first of a bucket is its lowest number.
    centres = order[np.flatnonzero(opens)[np.cumsum(opens) - 1]]
    return centres[~opens], order[~opens]


def find_clusters(
    num: int,
    bands: Iterable[NDArray[np.uint64]],
    kernels: Kernels | None = None,
    *,
    buckets: Buckets | None = None,
) -> NDArray[np.int64]:
    """Return for each of ``num`` files the lowest number of its cluster.

    Args:
        num: Number of files.
        bands: For each band, the key of every file.
        kernels: Inner loops; the best there are if not given.
        buckets: Where buckets are counted.
    """
    kernels = kernels or best_kernels()
    parent = np.arange(num, dtype=np.int64)
    if num < 2:
        return parent
    for keys in bands:
        centres, others = star_edges(keys)
        kernels.join(parent, centres, others)
        if buckets is not None:
            buckets.add(centres)
    while (above := parent[parent]).tobytes() != parent.tobytes():
        parent = above
    return parent
