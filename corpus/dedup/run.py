"""Deduplication of a corpus: exact copies by SHA-256, then near-duplicates by MinHash.

1. Read every document once: contents go to a spool on disk, ids, ranks and hashes stay in memory.
2. Number the documents in the order of their ids; from here on the order of the input is forgotten.
3. Exact copies: the best of each group stays (``exact``).
4. Band keys of what is left, in threads, to a file (``minhash``); clusters (``clusters``).
5. Write ``kept.parquet`` and ``dropped.parquet`` in the order of ids.

``kept_id`` of a dropped document is always one that was kept: an exact copy of a file that later went as a
near-duplicate names the file that stayed for both. ``jaccard`` is exact (over 32-bit hashes of shingles), no
estimate: 1 for copies of what was kept.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpus.dedup.catalog import Catalog
from corpus.dedup.clusters import find_clusters, keep_best
from corpus.dedup.exact import find_copies, known
from corpus.dedup.minhash import BandHasher
from corpus.dedup.output import write_dropped, write_kept
from corpus.dedup.shingles import jaccard
from corpus.dedup.spool import Spool
from corpus.document import Document
from corpus.readers.rows import read_documents
from opencoder.errors import DataError
from opencoder.files import make_folder, writing_to
from opencoder.log import logger

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.dedup.profiles import Profile

_CHUNK = 256
"""Documents that a thread takes at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What to do.

    Attributes:
        source: A folder of files, or a file of rows (see ``corpus.readers.rows``).
        out: Folder of the results.
        profile: How near-duplicates are found.
        concurrency: Threads.
        memory_mb: Most memory of the database that groups exact copies, in MiB.
        limit: Only the first so many documents.
    """

    source: Path
    out: Path
    profile: Profile
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
        no_shingles: Documents without a word (or character), never near-duplicates.
        threshold: Similarity near which pairs begin to be found.
        profile: Name of the profile.
    """

    documents: int
    exact_duplicates: int
    fuzzy_duplicates: int
    kept: int
    clusters: int
    largest_cluster: int
    no_shingles: int
    threshold: float
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
        self.stars, self.times = known(catalog.stars), known(catalog.times)

    def go(self) -> Summary:
        """Do them all."""
        num = len(self.catalog.ids)
        logger.info("read %d documents", num)
        copy_of = find_copies(
            self.catalog.digests,
            self.stars,
            self.times,
            folder=self.folder,
            memory_mb=self.settings.memory_mb,
            threads=self.settings.concurrency,
        )
        unique = np.flatnonzero(copy_of == np.arange(num))
        logger.info("%d exact copies", num - unique.size)
        kept_of, clusters, with_shingles = self._near(unique)
        final = kept_of[copy_of]
        similar = self._similarities(unique[kept_of[unique] != unique], kept_of)
        dropped = np.flatnonzero(final != np.arange(num))
        write_dropped(
            self.settings.out / "dropped.parquet",
            ids=[self.catalog.ids[i] for i in dropped],
            reasons=["fuzzy" if copy_of[i] == i else "exact" for i in dropped],
            kept_ids=[self.catalog.ids[final[i]] for i in dropped],
            # A copy is as like the file that stayed as the one it is a copy of.
            jaccards=[similar.get(int(copy_of[i]), 1.0) for i in dropped],
        )
        kept = np.flatnonzero(final == np.arange(num))
        write_kept(self.settings.out / "kept.parquet", self.catalog, self.spool, kept.tolist())
        sizes = np.unique(clusters, return_counts=True)[1]
        return Summary(
            documents=num,
            exact_duplicates=num - unique.size,
            fuzzy_duplicates=unique.size - kept.size,
            kept=kept.size,
            clusters=int((sizes > 1).sum()),
            largest_cluster=int(sizes.max(initial=0)),
            no_shingles=unique.size - with_shingles,
            threshold=self.settings.profile.threshold,
            profile=self.settings.profile.name,
        )

    def _near(self, unique: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Return the file that stays for each of all files, the clusters, and how many have shingles."""
        kept_of = np.arange(len(self.catalog.ids), dtype=np.int64)
        bands = self.settings.profile.bands
        if not unique.size:
            return kept_of, unique, 0
        # On disk, one row per band: 8 bytes a document and band, of which one row is looked at at a time.
        table = _on_disk(self.folder / "keys", (bands, unique.size))
        has_keys = np.zeros(unique.size, np.bool_)

        def fill(first: int) -> None:
            for at in range(first, min(first + _CHUNK, unique.size)):
                keys = self.hasher.keys(self._content(unique[at]))
                if keys is not None:
                    has_keys[at] = True
                    table[:, at] = keys

        self._in_threads(fill, range(0, unique.size, _CHUNK))
        # Without shingles there are no keys that could be shared.
        members = unique[has_keys]
        clusters = find_clusters(members.size, (np.asarray(table[band])[has_keys] for band in range(bands)))
        best = keep_best(clusters, self.stars[members], self.times[members])
        kept_of[members] = members[best]
        return kept_of, clusters, members.size

    def _similarities(self, dropped: NDArray[np.int64], kept_of: NDArray[np.int64]) -> dict[int, float]:
        """Return the exact Jaccard similarity of each dropped file to the one that stayed for it."""
        found: dict[int, float] = {}
        groups: dict[int, list[int]] = {}
        for number in dropped.tolist():
            groups.setdefault(int(kept_of[number]), []).append(number)

        def compare(kept: int) -> None:
            best = self.hasher.shingles(self._content(kept))
            for number in groups[kept]:
                found[number] = jaccard(self.hasher.shingles(self._content(number)), best)

        self._in_threads(compare, groups)
        return found

    def _content(self, number: int) -> bytes:
        return self.spool.read(self.catalog.places[number])

    def _in_threads(self, work: Callable[[int], None], items: Iterable[int]) -> None:
        if self.settings.concurrency == 1:
            for item in items:
                work(item)
            return
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            _drain(pool.map(work, items))
        finally:
            pool.shutdown(cancel_futures=True)


def _on_disk(path: Path, shape: tuple[int, int]) -> NDArray[np.uint64]:
    """Map a new file as a table of keys."""
    with writing_to(path), path.open("xb") as file:
        # A mapped file that finds the disk full later would end the process by a signal.
        os.posix_fallocate(file.fileno(), 0, 8 * shape[0] * shape[1])
    return np.memmap(path, np.uint64, "r+", shape=shape)


def _drain(results: Iterator[None]) -> None:
    for _ in results:
        pass
