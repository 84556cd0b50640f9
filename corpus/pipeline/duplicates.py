"""Exact and near-duplicates of the whole corpus: tasks per part, and between them steps over all keys.

What moves between the steps are keys: a number per document, its SHA-256 and rank, one key per band. Contents
stay in their parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.database import open_database, quoted
from corpus.dedup.exact import find_copies_in
from corpus.dedup.keys import check_ids, write_keys, write_table
from corpus.dedup.near import find_near_in
from corpus.pipeline.phases import Phases
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.stats import Stats
from corpus.pipeline.tables import DUPLICATES, TableWriter
from corpus.pipeline.task import Done, Part, Task
from corpus.pipeline.work import Work
from corpus.report.schema import DuplicateReport
from opencoder.files import atomic
from opencoder.log import logger
from opencoder.store import read_json, write_json

if TYPE_CHECKING:
    from corpus.pipeline.machine import Machine

_CURVE = [step / 100 for step in range(50, 101)]
_CLASSES = 20
_BATCH = 1 << 16
_PARTITION_BYTES = 32 << 20
Numbered = Sequence[tuple[int, Part]]


class _Counts(msgspec.Struct, kw_only=True):
    """What the steps over all documents counted; kept for a resumed build."""

    candidates: int = 0
    clusters: int = 0
    largest_cluster: int = 0
    largest_bucket: int = 0
    members: int = 0
    jaccard: list[int] = msgspec.field(default_factory=lambda: [0] * _CLASSES)
    cluster_sizes: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Found:
    """Duplicates, as written to ``Work.duplicates``."""

    settings: BuildSettings
    counts: _Counts
    done: list[Done]

    def report(self, stats: Mapping[str, Stats]) -> DuplicateReport:
        """Return the record of deduplication, given the sums of all counts."""
        profile, counts = self.settings.profile, self.counts
        return DuplicateReport(
            level=self.settings.level,
            profile=profile.name,
            threshold=profile.threshold,
            verify=self.settings.verify,
            curve=[(at, profile.chance(at)) for at in _CURVE],
            exact=sum(stats["exact"].rejected.values()),
            fuzzy=sum(stats["fuzzy"].rejected.values()),
            candidates=counts.candidates,
            clusters=counts.clusters,
            largest_cluster=counts.largest_cluster,
            spared=counts.members - counts.clusters - sum(stats["fuzzy"].rejected.values()),
            jaccard=counts.jaccard,
            cluster_sizes=counts.cluster_sizes,
            largest_bucket=counts.largest_bucket,
            no_shingles=stats["fuzzy"].no_shingles,
        )


def find(settings: BuildSettings, work: Work, machine: Machine, phases: Phases, parts: Numbered) -> Found:
    """Decide which documents go as duplicates, and which one stays for each."""
    if settings.level == "none" or not parts:
        with atomic(work.duplicates) as file:
            pq.write_table(DUPLICATES.empty_table(), file)
        return Found(settings, _Counts(), [])
    return _Search(settings, work, machine, phases, parts).go()


class _Search:
    def __init__(
        self, settings: BuildSettings, work: Work, machine: Machine, phases: Phases, parts: Numbered
    ) -> None:
        self.settings, self.work, self.machine, self.phases, self.parts = (
            settings,
            work,
            machine,
            phases,
            parts,
        )
        self.keys = [work.keys(part.name) for _, part in parts]
        self.options: dict[str, Any] = {"memory_mb": machine.database_mb, "threads": machine.workers}
        self.counts_path = work.folder / "counts.json"

    def go(self) -> Found:
        if not self.work.copies.exists():
            self._find_copies()
        bands = self.phases.map("bands", [self._task("bands", *part) for part in self.parts])
        if not self.work.near.exists():
            self._find_near()
        compared = self._compare()
        if not self.work.duplicates.exists():
            self._combine(compared)
        return Found(self.settings, read_json(self.counts_path, _Counts), bands)

    def _task(self, step: str, offset: int, part: Part, **more: Any) -> Task:
        return Task(
            step=step,
            name=part.name,
            out=str(self.work.out),
            offset=offset,
            rows=part.rows,
            num_bytes=part.num_bytes,
            **more,
        )

    def _find_copies(self) -> None:
        logger.info("exact copies of %d documents", sum(part.rows for _, part in self.parts))
        for (offset, part), path in zip(self.parts, self.keys, strict=True):
            columns = ["sha256", "stars", "commit_time", "id"]
            table = pq.read_table(self.work.read(part.name), columns=columns, use_threads=False)
            write_keys(
                path,
                first=offset,
                digests=b"".join(table.column("sha256").to_pylist()),
                stars=table.column("stars").to_pylist(),
                times=table.column("commit_time").to_pylist(),
                ids=table.column("id").to_pylist(),
            )
        check_ids(self.keys, folder=self.work.folder / "ids", **self.options)
        find_copies_in(self.keys, self.work.copies, folder=self.work.folder / "exact", **self.options)

    def _find_near(self) -> None:
        logger.info("clusters of near-duplicates")
        folder = self.work.folder / "near"
        files = [self.work.bands(part.name) for _, part in self.parts]
        found = find_near_in(files, self.keys, folder / "dropped.parquet", folder=folder, **self.options)
        sizes = found.sizes
        counts = _Counts(
            candidates=found.buckets.num_edges,
            clusters=sizes.size,
            largest_cluster=int(sizes.max(initial=0)),
            largest_bucket=found.buckets.largest,
            members=found.members.size,
            cluster_sizes={str(size): num for size, num in found.histogram().items()},
        )
        write_json(self.counts_path, counts)
        clusters = np.repeat(np.arange(sizes.size), sizes)
        ranks = np.arange(found.members.size) - found.starts[:-1][clusters]
        order = np.argsort(found.members)
        columns = {"number": found.members[order], "cluster": clusters[order], "rank": ranks[order]}
        write_table(self.work.near, pa.table(columns))

    def _compare(self) -> list[Path]:
        """Compute the similarity of each near-duplicate to the one that stays."""
        num_bytes = sum(part.num_bytes for _, part in self.parts)
        partitions = max(1, num_bytes // _PARTITION_BYTES)
        tasks = [self._task("shingles", *part, partitions=partitions) for part in self.parts]
        self.phases.map("shingles", tasks)
        names = tuple(part.name for _, part in self.parts)
        compare = [
            Task(
                step="similar",
                name=f"{number:06}",
                out=str(self.work.out),
                parts=names,
                num_bytes=num_bytes // partitions,
            )
            for number in range(partitions)
        ]
        self.phases.map("similar", compare)
        return [self.work.similarities(task.name) for task in compare]

    def _combine(self, similarities: list[Path]) -> None:
        """Write all duplicates with the document that stays for each in the end."""
        files = {"copies": [self.work.copies], "similar": similarities, "keys": self.keys}
        query = _COMBINE.format(**{name: quoted(paths) for name, paths in files.items()})
        counts = read_json(self.counts_path, _Counts)
        with (
            open_database(self.work.folder / "spill", **self.options) as database,
            TableWriter(self.work.duplicates, DUPLICATES) as out,
        ):
            rows = database.execute(query)
            while batch := rows.fetchmany(_BATCH):
                for row in batch:
                    out.add(row)
                    if row[1] == "fuzzy":
                        counts.jaccard[min(int(row[4] * _CLASSES), _CLASSES - 1)] += 1
        write_json(self.counts_path, counts)


# An exact copy of a document that goes as a near-duplicate is stood for by the one that stays for both.
_COMBINE = """
WITH near AS (SELECT number, kept, jaccard FROM read_parquet({similar})),
dropped AS (
    SELECT number, 'fuzzy' AS reason, kept, jaccard FROM near
    UNION ALL
    SELECT copy.number, 'exact', coalesce(near.kept, copy.kept), coalesce(near.jaccard, 1.0)
    FROM read_parquet({copies}) copy LEFT JOIN near ON near.number = copy.kept
)
SELECT dropped.number, reason, kept, best.id, jaccard
FROM dropped JOIN read_parquet({keys}) best ON best.number = dropped.kept
ORDER BY dropped.number
"""
