"""Jaccard similarity of each near-duplicate to the document that stays for it, over one partition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.dedup.shingles import jaccard
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.tables import TableWriter
from corpus.pipeline.task import Done, Task
from corpus.pipeline.work import Work

SCHEMA = pa.schema([("number", pa.int64()), ("jaccard", pa.float64())])


def run(task: Task, settings: BuildSettings, work: Work) -> Done:
    """Compare the members of the clusters of one partition."""
    hashes: dict[int, Any] = {}
    kept: dict[int, int] = {}
    for part in task.parts:
        with pq.ParquetFile(work.shingles(part)) as file:
            group = file.read_row_group(int(task.name), use_threads=False)
        for number, best, column in zip(*(group.column(name) for name in group.column_names), strict=True):
            kept[number.as_py()] = best.as_py()
            hashes[number.as_py()] = column.values.to_numpy()
    empty = np.empty(0, np.uint32)
    with TableWriter(work.similarities(task.name), SCHEMA) as out:
        for number in sorted(kept):
            if number != kept[number]:
                out.add([number, jaccard(hashes[number], hashes.get(kept[number], empty))])
    return Done(key=task.key)
