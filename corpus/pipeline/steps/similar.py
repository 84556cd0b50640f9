"""Which members of the clusters of one partition go, by their similarity to those that stay."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.dedup.verify import settle
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.tables import TableWriter
from corpus.pipeline.task import Done, Task
from corpus.pipeline.work import Work

SCHEMA = pa.schema([("number", pa.int64()), ("kept", pa.int64()), ("jaccard", pa.float64())])


def run(task: Task, settings: BuildSettings, work: Work) -> Done:
    """Compare the members of each cluster, the best first."""
    clusters: dict[int, list[tuple[int, int]]] = {}
    hashes: dict[int, Any] = {}
    for part in task.parts:
        with pq.ParquetFile(work.shingles(part)) as file:
            group = file.read_row_group(int(task.name), use_threads=False)
        columns = (group.column(name) for name in ("cluster", "rank", "number", "hashes"))
        for cluster, rank, number, shingles in zip(*columns, strict=True):
            clusters.setdefault(cluster.as_py(), []).append((rank.as_py(), number.as_py()))
            hashes[number.as_py()] = shingles.values.to_numpy()
    gone = [
        dropped
        for members in clusters.values()
        for dropped in settle(
            [number for _, number in sorted(members)], hashes.__getitem__, least=settings.verify or 0.0
        )
    ]
    with TableWriter(work.similarities(task.name), SCHEMA) as out:
        for dropped in sorted(gone):
            out.add(dropped)
    return Done(key=task.key)
