"""Deduplication of a corpus: exact copies by SHA-256, then near-duplicates by MinHash.

1. Read every document once: contents go to a spool on disk, ids, ranks and hashes stay in memory.
2. Number the documents in the order of their ids; from here on the order of the input is forgotten.
3. Exact copies: the best of each group stays (``corpus.exact``).
4. Band keys of what is left, in threads, to a file (``corpus.minhash``); clusters (``corpus.clusters``).
5. Write ``kept.parquet`` and ``dropped.parquet`` in the order of ids.

``kept_id`` of a dropped document is always one that was kept: an exact copy of a file that later went as a
near-duplicate names the file that stayed for both. ``jaccard`` is exact (over 32-bit hashes of shingles), no
estimate: 1 for copies of what was kept.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpus.clusters import find_clusters, keep_best
from corpus.exact import find_copies, known
from corpus.minhash import BandHasher
from corpus.output import write_dropped, write_kept
from corpus.read import Document, read_documents
from corpus.shingles import jaccard
from corpus.spool import Spool
from opencoder.errors import DataError
from opencoder.files import make_folder
from opencoder.log import logger

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.profiles import Profile

_CHUNK = 256
"""Documents that a thread takes at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What to do.

    Attributes:
        source: A folder of files, or a file of rows (see ``corpus.read``).
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


@dataclass(slots=True)
class Corpus:
    """What is remembered of each document, in one order: that of reading, then that of ids."""

    ids: list[str] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)
    repos: list[str | None] = field(default_factory=list)
    stars: list[int | None] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    digests: bytearray = field(default_factory=bytearray)
    places: list[int] = field(default_factory=list)
    """Number of each document's content in the spool."""

    def add(self, document: Document) -> None:
        """Take in the next document."""
        self.places.append(len(self.ids))
        self.ids.append(document.id)
        self.paths.append(document.path)
        self.repos.append(document.repo)
        self.stars.append(document.stars)
        self.times.append(document.commit_time)
        self.digests += hashlib.sha256(document.content).digest()

    def by_id(self) -> Corpus:
        """Return the same documents in the order of their ids."""
        order = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        return Corpus(
            ids=[self.ids[i] for i in order],
            paths=[self.paths[i] for i in order],
            repos=[self.repos[i] for i in order],
            stars=[self.stars[i] for i in order],
            times=[self.times[i] for i in order],
            digests=bytearray(b"".join(self.digest(i) for i in order)),
            places=[self.places[i] for i in order],
        )

    def digest(self, number: int) -> bytes:
        """Return the SHA-256 of a document."""
        return bytes(self.digests[32 * number : 32 * number + 32])


def deduplicate(settings: Settings) -> Summary:
    """Deduplicate a corpus and write ``kept.parquet`` and ``dropped.parquet`` to the output folder.

    Raises:
        UserError: The input or a setting cannot be used.
        DependencyError: The disk is full.
    """
    out = make_folder(settings.out)
    with tempfile.TemporaryDirectory(prefix=".dedup-", dir=out) as name:
        folder = Path(name)
        with Spool(folder / "contents") as spool:
            documents = read_documents(settings.source, skip=out)
            corpus = _take_in(islice(documents, settings.limit), spool)
            return _Run(settings, corpus, spool, folder).go()


def _take_in(documents: Iterable[Document], spool: Spool) -> Corpus:
    corpus, seen = Corpus(), set[str]()
    for document in documents:
        if document.id in seen:
            raise DataError(
                f"a second document with id {document.id!r}; give each an id of its own",
                path=document.file,
                line=document.line,
            )
        seen.add(document.id)
        corpus.add(document)
        spool.append(document.content)
    spool.flush()
    return corpus.by_id()


class _Run:
    """The steps after reading, over documents numbered in the order of their ids."""

    def __init__(self, settings: Settings, corpus: Corpus, spool: Spool, folder: Path) -> None:
        self.settings, self.corpus, self.spool, self.folder = settings, corpus, spool, folder
        self.hasher = BandHasher(settings.profile)
        self.stars, self.times = known(corpus.stars), known(corpus.times)

    def go(self) -> Summary:
        """Do them all."""
        num = len(self.corpus.ids)
        logger.info("read %d documents", num)
        copy_of = find_copies(
            self.corpus.digests,
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
            ids=[self.corpus.ids[i] for i in dropped],
            reasons=["fuzzy" if copy_of[i] == i else "exact" for i in dropped],
            kept_ids=[self.corpus.ids[final[i]] for i in dropped],
            # A copy is as like the file that stayed as the one it is a copy of.
            jaccards=[similar.get(int(copy_of[i]), 1.0) for i in dropped],
        )
        kept = np.flatnonzero(final == np.arange(num))
        write_kept(self.settings.out / "kept.parquet", self.corpus, self.spool, kept.tolist())
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
        kept_of = np.arange(len(self.corpus.ids), dtype=np.int64)
        bands = self.settings.profile.bands
        if not unique.size:
            return kept_of, unique, 0
        # On disk, one row per band: 8 bytes a document and band, of which one row is looked at at a time.
        table = np.memmap(self.folder / "keys", np.uint64, "w+", shape=(bands, unique.size))
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
        return self.spool.read(self.corpus.places[number])

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


def _drain(results: Iterator[None]) -> None:
    for _ in results:
        pass
