"""Deduplication of a corpus: exact copies by SHA-256, then near-duplicates by MinHash.

1. Read every document once: contents go to a spool on disk, ids, ranks and hashes stay in memory.
2. Number the documents in the order of their ids; from here on the order of the input is forgotten.
3. Exact copies: the best of each group stays (``exact``).
4. Band keys of what is left, in threads, to files (``minhash``); clusters (``near``).
5. Of each cluster, the best stays, and what is not near enough to it where that is asked for (``verify``).
6. Write ``kept.parquet`` and ``dropped.parquet`` in the order of ids.

``kept_id`` of a dropped document is always one that was kept: an exact copy of a file that later went as a
near-duplicate names the file that stayed for both. ``jaccard`` is exact (over 32-bit hashes of shingles), no
estimate: 1 for copies of what was kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

import numpy as np

from corpus.dedup.catalog import Catalog
from corpus.dedup.exact import find_copies_in
from corpus.dedup.keys import write_bands, write_keys
from corpus.dedup.minhash import BandHasher
from corpus.dedup.near import Clusters, find_near_in
from corpus.dedup.output import write_dropped, write_kept
from corpus.dedup.spool import Spool
from corpus.dedup.verify import Dropped, settle
from corpus.document import Document
from corpus.readers.rows import read_documents
from opencoder.errors import DataError
from opencoder.files import make_folder, writing_to
from opencoder.log import Progress, logger, progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.dedup.profiles import Profile

_CHUNK = 64
"""Documents that a thread takes at once."""
_BANDS = 1 << 15
"""Documents of a file of band keys: 32 MiB for 128 bands."""
_KEYS = 1 << 20
"""Documents of a file of keys."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Limits(TypedDict):
    folder: Path
    memory_mb: int
    threads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What to do.

    Attributes:
        source: A folder of files, or a file of rows (see ``corpus.readers.rows``).
        out: Folder of the results.
        profile: How near-duplicates are found.
        verify: Least Jaccard similarity of a dropped near-duplicate to the one that stays; None drops
            whatever shares a cluster.
        concurrency: Threads.
        memory_mb: Most memory of the database that groups exact copies, in MiB.
        limit: Only the first so many documents.
    """

    source: Path
    out: Path
    profile: Profile
    verify: float | None = None
    concurrency: int = 1
    memory_mb: int = 1024
    limit: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What came out of a run.

    Attributes:
        documents: Read.
        exact_duplicates: Dropped as copies.
        fuzzy_duplicates: Dropped as near-duplicates.
        kept: Written to ``kept.parquet``.
        clusters: Groups of two or more near-duplicates (copies count once).
        largest_cluster: Documents of the largest group; a large one hints at boilerplate or chains.
        cluster_sizes: Groups by size: of 2, of 3 or 4, of 5 to 8 ..., by the upper end.
        spared: Of the groups, documents that stay because ``verify`` found them not near enough.
        candidates: Pairs that shared a band key, each to the first of its bucket only.
        largest_bucket: Most documents that share one key of a band.
        no_shingles: Documents without a word (or character), never near-duplicates.
        threshold: Similarity near which pairs begin to be found.
        verify: As in the settings.
        profile: Name of the profile.
    """

    documents: int
    exact_duplicates: int
    fuzzy_duplicates: int
    kept: int
    clusters: int
    largest_cluster: int
    cluster_sizes: dict[int, int]
    spared: int
    candidates: int
    largest_bucket: int
    no_shingles: int
    threshold: float
    verify: float | None
    profile: str


def deduplicate(settings: Settings) -> Summary:
    """Deduplicate a corpus and write ``kept.parquet`` and ``dropped.parquet`` to the output folder.

    Raises:
        UserError: The input or a setting cannot be used.
        DependencyError: The disk is full.
    """
    out = make_folder(settings.out)
    with writing_to(out):
        temporary = tempfile.TemporaryDirectory(prefix=".dedup-", dir=out)
    with temporary as name:
        folder = Path(name)
        with Spool(folder / "contents") as spool:
            documents = read_documents(settings.source, skip=out)
            catalog = _take_in(islice(documents, settings.limit), spool)
            return _Run(settings, catalog, spool, folder).go()


def _take_in(documents: Iterable[Document], spool: Spool) -> Catalog:
    catalog, seen = Catalog(), set[str]()
    for document in documents:
        if document.id in seen:
            raise DataError(
                f"a second document with id {document.id!r}; give each an id of its own",
                path=document.file,
                line=document.line,
            )
        seen.add(document.id)
        catalog.add(document)
        spool.append(document.content)
    spool.flush()
    return catalog.by_id()


class _Run:
    """The steps after reading, over documents numbered in the order of their ids."""

    def __init__(self, settings: Settings, catalog: Catalog, spool: Spool, folder: Path) -> None:
        self.settings, self.catalog, self.spool, self.folder = settings, catalog, spool, folder
        self.hasher = BandHasher(settings.profile)
        self.limits: _Limits = {
            "folder": folder,
            "memory_mb": settings.memory_mb,
            "threads": settings.concurrency,
        }

    def go(self) -> Summary:
        """Do them all."""
        num = len(self.catalog.ids)
        logger.info("read %d documents", num)
        self.key_files = self._write_keys()
        copy_of = find_copies_in(self.key_files, self.folder / "copies.parquet", **self.limits)
        unique = np.flatnonzero(copy_of == np.arange(num))
        logger.info("%d exact copies", num - unique.size)
        clusters = self._near(unique)
        near = {gone.number: gone for gone in self._settle(clusters)}
        final = copy_of.copy()
        for number, gone in near.items():
            final[number] = gone.kept
        final = final[copy_of]
        dropped = np.flatnonzero(final != np.arange(num))
        write_dropped(
            self.settings.out / "dropped.parquet",
            ids=[self.catalog.ids[i] for i in dropped],
            reasons=["fuzzy" if copy_of[i] == i else "exact" for i in dropped],
            kept_ids=[self.catalog.ids[final[i]] for i in dropped],
            # A copy is as like the file that stayed as the one it is a copy of.
            jaccards=[
                near[copy].jaccard if (copy := int(copy_of[i])) in near else 1.0 for i in dropped.tolist()
            ],
        )
        kept = np.flatnonzero(final == np.arange(num))
        write_kept(self.settings.out / "kept.parquet", self.catalog, self.spool, kept.tolist())
        return self._summary(num, unique.size, kept.size, clusters)

    def _summary(self, num: int, num_unique: int, num_kept: int, clusters: Clusters) -> Summary:
        in_clusters = int(clusters.sizes.sum())
        gone = num_unique - num_kept
        return Summary(
            documents=num,
            exact_duplicates=num - num_unique,
            fuzzy_duplicates=gone,
            kept=num_kept,
            clusters=clusters.sizes.size,
            largest_cluster=int(clusters.sizes.max(initial=min(1, clusters.num_documents))),
            cluster_sizes=clusters.histogram(),
            spared=in_clusters - clusters.sizes.size - gone,
            candidates=clusters.buckets.num_edges,
            largest_bucket=clusters.buckets.largest,
            no_shingles=num_unique - clusters.num_documents,
            threshold=self.settings.profile.threshold,
            verify=self.settings.verify,
            profile=self.settings.profile.name,
        )

    def _write_keys(self) -> list[Path]:
        files = []
        for first in range(0, len(self.catalog.ids), _KEYS):
            part = slice(first, first + _KEYS)
            files.append(self.folder / f"keys-{first}.parquet")
            write_keys(
                files[-1],
                first=first,
                digests=self.catalog.digests[32 * first : 32 * (first + _KEYS)],
                stars=self.catalog.stars[part],
                times=self.catalog.times[part],
                ids=self.catalog.ids[part],
            )
        return files

    def _near(self, unique: NDArray[np.int64]) -> Clusters:
        files = []
        with progress("hashing", unique.size) as shown:
            for first in range(0, unique.size, _BANDS):
                files.append(self.folder / f"bands-{first}.parquet")
                self._write_bands(files[-1], unique[first : first + _BANDS], shown)
        return find_near_in(files, self.key_files, self.folder / "near.parquet", **self.limits)

    def _write_bands(self, path: Path, numbers: NDArray[np.int64], shown: Progress) -> None:
        keys = np.empty((numbers.size, self.settings.profile.bands), np.uint64)
        found = np.zeros(numbers.size, np.bool_)

        def fill(first: int) -> int:
            end = min(first + _CHUNK, numbers.size)
            for at in range(first, end):
                mine = self.hasher.keys(self._content(numbers[at]))
                # Without shingles there are no keys that could be shared.
                if mine is not None:
                    found[at] = True
                    keys[at] = mine
            return end - first

        for done in self._in_threads(fill, range(0, numbers.size, _CHUNK)):
            shown.advance(done)
        write_bands(path, numbers[found], keys[found])

    def _settle(self, clusters: Clusters) -> list[Dropped]:
        def one(members: NDArray[np.int64]) -> list[Dropped]:
            return settle(members.tolist(), self._shingles, least=self.settings.verify or 0.0)

        gone = []
        with progress("comparing", int(clusters.sizes.sum())) as shown:
            for size, part in zip(clusters.sizes.tolist(), self._in_threads(one, clusters), strict=True):
                gone += part
                shown.advance(size)
        return gone

    def _shingles(self, number: int) -> NDArray[np.uint32]:
        return self.hasher.shingles(self._content(number))

    def _content(self, number: int) -> bytes:
        return self.spool.read(self.catalog.places[number])

    def _in_threads(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        if self.settings.concurrency == 1:
            yield from map(work, items)
            return
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(cancel_futures=True)
