"""Deduplication of a corpus: exact copies by SHA-256, then near-duplicates by MinHash.

1. Read every document once: contents go to a spool on disk, ids, ranks and hashes stay in memory.
2. Number the documents in the order of their ids; from here on the order of the input is forgotten.
3. Make the units that are compared: files, chunks or repositories (``levels``).
4. Find which of them go (``engine``).
5. Write ``kept.parquet`` and ``dropped.parquet`` in the order of ids.

``kept_id`` of a dropped document is always one that was kept: an exact copy of a file that later went as a
near-duplicate names the file that stayed for both. ``jaccard`` is exact (over 32-bit hashes of shingles), no
estimate: 1 for copies of what was kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpus.dedup.catalog import Catalog
from corpus.dedup.engine import Engine, Outcome
from corpus.dedup.levels import Level, Units, make_units, merge_shingles
from corpus.dedup.minhash import BandHasher
from corpus.dedup.output import write_dropped, write_kept
from corpus.dedup.spool import Spool
from corpus.document import Document
from corpus.readers.rows import read_documents
from opencoder.errors import DataError
from opencoder.files import make_folder, writing_to
from opencoder.log import logger

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.dedup.profiles import Profile


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What to do.

    Attributes:
        source: A folder of files, or a file of rows (see ``corpus.readers.rows``).
        out: Folder of the results.
        profile: How near-duplicates are found.
        level: What is compared with what.
        verify: Least Jaccard similarity of a dropped near-duplicate to the one that stays; None drops
            whatever shares a cluster.
        concurrency: Threads.
        memory_mb: Most memory of the database that groups exact copies, in MiB.
        limit: Only the first so many documents.
    """

    source: Path
    out: Path
    profile: Profile
    level: Level = "file"
    verify: float | None = None
    concurrency: int = 1
    memory_mb: int = 1024
    limit: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What came out of a run.

    Attributes:
        documents: Read.
        level: What was compared with what.
        units: Files, chunks or repositories.
        exact_duplicates: Units dropped as copies.
        fuzzy_duplicates: Units dropped as near-duplicates.
        kept: Documents written to ``kept.parquet``, whole or in part.
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
    level: Level
    units: int
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
            return _find(settings, catalog, spool, folder)


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


def _find(settings: Settings, catalog: Catalog, spool: Spool, folder: Path) -> Summary:
    logger.info("read %d documents", len(catalog.ids))
    units = make_units(settings.level, catalog, spool)
    hasher = BandHasher(settings.profile)

    def shingles(number: int) -> NDArray[np.uint32]:
        parts = units.parts[number]
        return merge_shingles([hasher.shingles(spool.read(catalog.places[i], part)) for i, part in parts])

    engine = Engine(
        hasher=hasher,
        shingles=shingles,
        least=settings.verify or 0.0,
        folder=folder,
        memory_mb=settings.memory_mb,
        threads=settings.concurrency,
    )
    found = engine.find(units)
    _write_dropped(settings.out, units, found)
    kept: dict[int, list[slice]] = {}
    for unit in np.flatnonzero(found.stays == np.arange(found.stays.size)).tolist():
        for number, part in units.parts[unit]:
            kept.setdefault(number, []).append(part)
    write_kept(
        settings.out / "kept.parquet",
        catalog,
        spool,
        sorted(kept),
        lambda number: b"".join(spool.read(catalog.places[number], part) for part in kept[number]),
    )
    return _summary(settings, len(catalog.ids), len(kept), found)


def _write_dropped(out: Path, units: Units, found: Outcome) -> None:
    dropped = np.flatnonzero(found.stays != np.arange(found.stays.size)).tolist()
    copy_of, stays = found.copy_of.tolist(), found.stays.tolist()
    write_dropped(
        out / "dropped.parquet",
        ids=[units.ids[i] for i in dropped],
        reasons=["fuzzy" if copy_of[i] == i else "exact" for i in dropped],
        kept_ids=[units.ids[stays[i]] for i in dropped],
        # A copy is as like the unit that stayed as the one it is a copy of.
        jaccards=[found.near[copy_of[i]].jaccard if copy_of[i] in found.near else 1.0 for i in dropped],
    )


def _summary(settings: Settings, num: int, num_kept: int, found: Outcome) -> Summary:
    clusters = found.clusters
    return Summary(
        documents=num,
        level=settings.level,
        units=found.stays.size,
        exact_duplicates=found.num_copies,
        fuzzy_duplicates=len(found.near),
        kept=num_kept,
        clusters=clusters.sizes.size,
        largest_cluster=int(clusters.sizes.max(initial=min(1, clusters.num_documents))),
        cluster_sizes=clusters.histogram(),
        spared=int((clusters.sizes - 1).sum()) - len(found.near),
        candidates=clusters.buckets.num_edges,
        largest_bucket=clusters.buckets.largest,
        no_shingles=found.stays.size - found.num_copies - clusters.num_documents,
        threshold=settings.profile.threshold,
        verify=settings.verify,
        profile=settings.profile.name,
    )
