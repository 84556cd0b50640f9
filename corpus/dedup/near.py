"""Near-duplicates over files of band keys: clusters, and the document that stays for each other.

Bands are looked at one at a time, so memory is a few integers a document, however many bands there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpus.dedup.clusters import Buckets, find_clusters
from corpus.dedup.keys import column_names, rank_documents, read_column, write_numbers
from opencoder.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Clusters:
    """Clusters of two or more documents.

    Attributes:
        members: Numbers of the documents, cluster after cluster, the best of each first.
        starts: Where each cluster begins in ``members``, and at the end their number.
        num_documents: Documents with band keys.
        buckets: What was seen on the way.
    """

    members: NDArray[np.int64]
    starts: NDArray[np.int64]
    num_documents: int
    buckets: Buckets

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Documents of each cluster."""
        return np.diff(self.starts)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Yield the documents of one cluster after the other, the best first."""
        for first, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield self.members[first:end]

    def histogram(self) -> dict[int, int]:
        """Return how many clusters have 2, 3 or 4, 5 to 8, 9 to 16 ... documents, by the upper end."""
        ends, counts = np.unique(np.ceil(np.log2(self.sizes)).astype(np.int64), return_counts=True)
        return {1 << int(end): int(count) for end, count in zip(ends, counts, strict=True)}


def find_near_in(
    band_files: Sequence[Path],
    key_files: Sequence[Path],
    out: Path,
    *,
    folder: Path,
    memory_mb: int = 1024,
    threads: int = 1,
) -> Clusters:
    """Find clusters of near-duplicates; write which documents go and which one stays for them.

    Args:
        band_files: Band keys of the documents that are no exact copies (see ``corpus.dedup.keys``).
        key_files: Keys of these documents; there may be more.
        out: Parquet of the dropped documents in the order of numbers: ``number``, ``kept``, and ``cluster``,
            the lowest number of the cluster.
        folder: Where what does not fit into memory goes.
        memory_mb: Most memory of the database that ranks, in MiB, beside some 50 bytes a document.
        threads: Its threads.

    Raises:
        DataError: A number has two rows of band keys.
        UserError: The memory limit is too low.
        DependencyError: The disk is full.
    """
    numbers = read_column(band_files, "number")
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    if (numbers[1:] == numbers[:-1]).any():
        raise DataError("a document has two rows of band keys; make them anew")
    buckets = Buckets()
    names = column_names(band_files[0])[1:] if band_files else []
    bands = (read_column(band_files, name)[order] for name in names)
    roots = find_clusters(numbers.size, bands, buckets=buckets)
    del order
    grouped = np.bincount(roots, minlength=numbers.size)[roots] > 1 if roots.size else np.empty(0, np.bool_)
    best_first = rank_documents(
        key_files, among=numbers[grouped], folder=folder, memory_mb=memory_mb, threads=threads
    )
    if best_first.size != np.count_nonzero(grouped):
        raise DataError("a document has band keys but no keys; make them anew")
    ranked = roots[np.searchsorted(numbers, best_first)]
    by_cluster = np.argsort(ranked, kind="stable")
    members, ranked = best_first[by_cluster], ranked[by_cluster]
    opens = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1]))) if ranked.size else ranked
    clusters = Clusters(
        members=members,
        starts=np.append(opens, members.size),
        num_documents=numbers.size,
        buckets=buckets,
    )
    _write(out, clusters, numbers[ranked])
    return clusters


def _write(path: Path, clusters: Clusters, lowest: NDArray[np.int64]) -> None:
    kept = np.repeat(clusters.members[clusters.starts[:-1]], clusters.sizes)
    dropped = np.flatnonzero(kept != clusters.members)
    dropped = dropped[np.argsort(clusters.members[dropped])]
    columns = {"number": clusters.members[dropped], "kept": kept[dropped], "cluster": lowest[dropped]}
    write_numbers(path, columns)
