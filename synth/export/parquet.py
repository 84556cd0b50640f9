"""Parquet in row groups of a known size, and in shards.

The same rows in the same order give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

GROUP_BYTES = 128 << 20
"""Arrow bytes of a row group; the hub advises 100 to 300 MB."""

GROUPS_PER_SHARD = 4
"""So that a shard holds about 512 MB, the ``max_shard_size`` of the library ``datasets``."""

_BATCH_ROWS = 512
_BATCH_BYTES = 8 << 20


class ParquetFile:
    """A file of Parquet, packed by Zstandard. Close it to write what waits.

    Args:
        path: The file.
        schema: Its columns.
        group_bytes: Arrow bytes after which a row group ends.

    Attributes:
        groups: Row groups written.
    """

    def __init__(self, path: Path, schema: Any, *, group_bytes: int = GROUP_BYTES) -> None:
        self.path = path
        self.groups = 0
        self._schema = schema
        self._group_bytes = group_bytes
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._rows_bytes = 0
        self._batches: list[Any] = []
        self._batches_bytes = 0

    def add(self, values: dict[str, Any], num_bytes: int) -> None:
        """Add a row; ``num_bytes`` is about what its texts take."""
        self._rows.append(values)
        self._rows_bytes += num_bytes
        if len(self._rows) >= _BATCH_ROWS or self._rows_bytes >= min(_BATCH_BYTES, self._group_bytes):
            self._end_batch()
            if self._batches_bytes >= self._group_bytes:
                self._end_group()

    def close(self) -> None:
        """Write what waits, and the foot of the file."""
        self._end_batch()
        self._end_group()
        self._writer.close()

    def _end_batch(self) -> None:
        if self._rows:
            batch = pa.RecordBatch.from_pylist(self._rows, schema=self._schema)
            self._batches.append(batch)
            self._batches_bytes += batch.nbytes
            self._rows, self._rows_bytes = [], 0

    def _end_group(self) -> None:
        if self._batches:
            table = pa.Table.from_batches(self._batches, schema=self._schema)
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._batches, self._batches_bytes = [], 0
            self.groups += 1


class ParquetShards:
    """Files ``train-00000-of-0000N.parquet`` of a folder, which have their names once all are written.

    Args:
        folder: Made if need be.
        schema: The columns.
        group_bytes: As of :class:`ParquetFile`.
    """

    def __init__(self, folder: Path, schema: Any, *, group_bytes: int = GROUP_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._schema = schema
        self._group_bytes = group_bytes
        self._parts: list[Path] = []
        self._file = self._next()

    def add(self, values: dict[str, Any], num_bytes: int) -> None:
        """Add a row; ``num_bytes`` is about what its texts take."""
        if self._file.groups >= GROUPS_PER_SHARD:
            self._file.close()
            self._file = self._next()
        self._file.add(values, num_bytes)

    def close(self) -> list[Path]:
        """Write what waits and return the files; without rows there is one, which is empty."""
        self._file.close()
        total = len(self._parts)
        names = [
            self._folder / f"train-{number:05}-of-{total:05}.parquet" for number in range(len(self._parts))
        ]
        for part, name in zip(self._parts, names, strict=True):
            part.replace(name)
        return names

    def _next(self) -> ParquetFile:
        path = self._folder / f"part-{len(self._parts):05}.parquet"
        self._parts.append(path)
        return ParquetFile(path, self._schema, group_bytes=self._group_bytes)
