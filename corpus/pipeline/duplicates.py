"""Exact and near-duplicates of the whole corpus: tasks per part, and steps over keys of all documents between.

What moves between the steps are keys: a number per document, its SHA-256 and rank, one key per band. Contents
stay in their parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.dedup.keys import find_copies_in, find_near_in, rank_documents
from corpus.pipeline.database import open_database, quoted
from corpus.pipeline.phases import Phases
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.stats import Stats
from corpus.pipeline.tables import DUPLICATES
from corpus.pipeline.task import Done, Part, Task
from corpus.pipeline.work import Work
from corpus.report.schema import DuplicateReport
from opencoder.files import atomic
from opencoder.log import logger
from opencoder.store import read_json, write_json

if TYPE_CHECKING:
    from corpus.pipeline.build import Machine

_CURVE = [step / 100 for step in range(50, 101)]
_CLASSES = 20
_PARTITION_BYTES = 32 << 20
Numbered = Sequence[tuple[int, Part]]


class _Counts(msgspec.Struct, kw_only=True):
    """What the steps over all documents counted; kept for a resumed build."""

    candidates: int = 0
    clusters: int = 0
    giant_buckets: int = 0
    jaccard: list[int] = []
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
            curve=[(at, profile.chance(at)) for at in _CURVE],
            exact=sum(stats["exact"].rejected.values()),
            fuzzy=sum(stats["fuzzy"].rejected.values()),
            candidates=counts.candidates,
            clusters=counts.clusters,
            largest_cluster=max(map(int, counts.cluster_sizes), default=0),
            jaccard=counts.jaccard or [0] * _CLASSES,
            cluster_sizes=counts.cluster_sizes,
            giant_buckets=counts.giant_buckets,
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
        out = str(self.work.out)
        sizes = {"rows": part.rows, "num_bytes": part.num_bytes}
        return Task(step=step, name=part.name, out=out, offset=offset, **sizes, **more)

    def _find_copies(self) -> None:
        logger.info("exact copies of %d documents", sum(part.rows for _, part in self.parts))
        for (offset, part), path in zip(self.parts, self.keys, strict=True):
            columns = ["sha256", "stars", "commit_time", "id"]
            table = pq.read_table(self.work.read(part.name), columns=columns, use_threads=False)
            numbers = pa.array(range(offset, offset + part.rows), pa.int64())
            with atomic(path) as file:
                pq.write_table(table.add_column(0, "number", numbers), file)
        find_copies_in(self.keys, self.work.copies, folder=self.work.folder / "exact", **self.options)

    def _find_near(self) -> None:
        ranks = rank_documents(self.keys, folder=self.work.folder / "near", **self.options)
        files = [self.work.bands(part.name) for _, part in self.parts]
        found = find_near_in(files, ranks, self.work.near)
        write_json(
            self.counts_path,
            _Counts(candidates=found.candidates, clusters=found.clusters, giant_buckets=found.giant_buckets),
        )

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
        with open_database(self.work.folder / "spill", **self.options) as database:
            database.execute(_COMBINE.format(**self._files(similarities)))  # paths, quoted
            classes = database.execute(_JACCARD).fetchall()
            sizes = database.execute(_SIZES.format(**self._files(similarities))).fetchall()
            counts = read_json(self.counts_path, _Counts)
            by_class = dict(classes)
            counts.jaccard = [by_class.get(number, 0) for number in range(_CLASSES)]
            counts.cluster_sizes = {str(size): num for size, num in sizes}
            write_json(self.counts_path, counts)
            out = str(self.work.duplicates).replace("'", "''")
            temporary = out + ".tmp"
            database.execute(f"COPY (SELECT * FROM found ORDER BY number) TO '{temporary}' (FORMAT parquet)")
            Path(str(self.work.duplicates) + ".tmp").replace(self.work.duplicates)

    def _files(self, similarities: list[Path]) -> dict[str, str]:
        return {
            "copies": quoted([self.work.copies]),
            "near": quoted([self.work.near]),
            "similar": quoted(similarities),
            "keys": quoted(self.keys),
        }


# An exact copy of a document that goes as a near-duplicate is stood for by the one that stays for both.
_COMBINE = """
CREATE TABLE found AS
WITH near AS (SELECT number, kept FROM read_parquet({near}) WHERE number <> kept),
compared AS (SELECT number, jaccard FROM read_parquet({similar})),
dropped AS (
    SELECT number, 'fuzzy' AS reason, kept, jaccard FROM near LEFT JOIN compared USING (number)
    UNION ALL
    SELECT copy.number, 'exact', coalesce(near.kept, copy.kept), coalesce(compared.jaccard, 1.0)
    FROM read_parquet({copies}) copy
    LEFT JOIN near ON near.number = copy.kept LEFT JOIN compared ON compared.number = copy.kept
)
SELECT dropped.number, reason, kept, best.id AS kept_id, jaccard
FROM dropped JOIN read_parquet({keys}) best ON best.number = dropped.kept
"""

_JACCARD = """
SELECT least(floor(jaccard * 20)::INTEGER, 19) AS class, count(*) FROM found WHERE reason = 'fuzzy' GROUP BY class
"""

_SIZES = """
SELECT size, count(*) FROM (SELECT count(*) AS size FROM read_parquet({near}) GROUP BY cluster)
WHERE size > 1 GROUP BY size ORDER BY size
"""
