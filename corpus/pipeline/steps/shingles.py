"""Shingle hashes of the members of clusters, sorted into partitions so that a cluster lies in one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.dedup.minhash import BandHasher
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.tables import read_range, read_rows
from corpus.pipeline.task import Done, Task
from corpus.pipeline.work import Work
from opencoder.files import atomic

SCHEMA = pa.schema(
    [
        ("cluster", pa.int64()),
        ("rank", pa.int64()),
        ("number", pa.int64()),
        ("hashes", pa.list_(pa.uint32())),
    ]
)
_Row = tuple[int, int, int, Any]


def run(task: Task, settings: BuildSettings, work: Work) -> Done:
    """Write one row group per partition, empty ones too: the group's number is that of the partition."""
    hasher = BandHasher(settings.profile)
    members = read_range(work.near, task.offset, task.offset + task.rows)
    groups: list[list[_Row]] = [[] for _ in range(task.partitions)]
    if members:
        for number, row in enumerate(read_rows(work.read(task.name), columns=["content"]), task.offset):
            if member := members.get(number):
                hashes = hasher.shingles(row["content"].encode())
                found = (member["cluster"], member["rank"], number, hashes)
                groups[member["cluster"] % task.partitions].append(found)
    _write(work.shingles(task.name), groups)
    return Done(key=task.key)


def _write(path: Path, groups: list[list[_Row]]) -> None:
    with atomic(path) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for rows in groups:
            columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
            arrays = [pa.array(list(c), field.type) for c, field in zip(columns, SCHEMA, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
