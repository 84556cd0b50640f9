"""From band keys to clusters of near-duplicates, and the one file of each that stays.

Files that share a key of one band are a bucket; each is tied to the lowest number of its bucket (a star, not
all pairs), and what is tied together over all bands is a cluster. A cluster is therefore a connected
component: where A is like B and B like C, C goes with A, even if those two are less alike. Numbers follow the
order of ids and the lower number always becomes the root, so that the outcome depends neither on the order of
the input nor on how many workers there were.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from corpus.dedup.kernels import Kernels, best_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray


def star_edges(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for one band, an edge from every file but the first of a bucket to that first one."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    opens = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    # The sort is stable, so the first of a bucket is its lowest number.
    centres = order[np.flatnonzero(opens)[np.cumsum(opens) - 1]]
    return centres[~opens], order[~opens]


def find_clusters(
    num: int, bands: Iterable[NDArray[np.uint64]], kernels: Kernels | None = None
) -> NDArray[np.int64]:
    """Return for each of ``num`` files the lowest number of its cluster.

    Args:
        num: Number of files.
        bands: For each band, the key of every file.
        kernels: Inner loops; the best there are if not given.
    """
    kernels = kernels or best_kernels()
    parent = np.arange(num, dtype=np.int64)
    if num < 2:
        return parent
    for keys in bands:
        kernels.join(parent, *star_edges(keys))
    while (above := parent[parent]).tobytes() != parent.tobytes():
        parent = above
    return parent


def keep_best(
    clusters: NDArray[np.int64], stars: NDArray[np.int64], times: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each file the number of the file that stays for its cluster.

    The rule is that of exact copies: most stars, then the latest commit, then the lowest number.
    """
    if not clusters.size:
        return clusters
    # Values that are not known are the lowest integer, which cannot be negated; ~x reverses the order too.
    order = np.lexsort((np.arange(clusters.size), ~times, ~stars, clusters))
    ordered = clusters[order]
    opens = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    kept = np.empty_like(clusters)
    kept[order] = order[np.flatnonzero(opens)[np.cumsum(opens) - 1]]
    return kept
