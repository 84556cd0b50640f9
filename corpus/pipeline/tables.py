"""Columns of the files of a build, and how they are written: in batches, whole or not at all.

The same rows in the same order give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from opencoder.errors import DataError
from opencoder.files import atomic, reading_from

WORK = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("repo", pa.string()),
        ("language", pa.string()),
        ("doc_type", pa.string()),
        ("stars", pa.int64()),
        ("commit_time", pa.int64()),
        ("license", pa.string()),
        ("sha256", pa.binary(32)),
        ("size_bytes", pa.int64()),
        ("content", pa.large_string()),
    ]
)
"""Documents between the steps; ``commit_time`` in microseconds since 1970, ``sha256`` and ``size_bytes`` of
the bytes as they were read."""

REFINED = pa.schema(
    [("number", pa.int64()), ("refined_bytes", pa.int64()), *WORK, ("natural_language", pa.string())]
)
"""Documents after the filter, with their numbers in the whole corpus and the bytes of their contents."""

DOCUMENTS = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("repo", pa.string()),
        ("language", pa.string()),
        ("doc_type", pa.string()),
        ("natural_language", pa.string()),
        ("stars", pa.int64()),
        ("commit_time", pa.timestamp("us", tz="UTC")),
        ("license", pa.string()),
        ("sha256", pa.string()),
        ("size_bytes", pa.int64()),
        ("content", pa.large_string()),
    ]
)
"""Documents of the result."""

REJECTS = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("repo", pa.string()),
        ("language", pa.string()),
        ("sha256", pa.string()),
        ("size_bytes", pa.int64()),
        ("step", pa.string()),
        ("reason", pa.string()),
        ("rules", pa.list_(pa.string())),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("kept_id", pa.string()),
        ("jaccard", pa.float64()),
        ("detail", pa.string()),
    ]
)
"""Rejects of the result."""

DUPLICATES = pa.schema(
    [
        ("number", pa.int64()),
        ("reason", pa.string()),
        ("kept", pa.int64()),
        ("kept_id", pa.string()),
        ("jaccard", pa.float64()),
    ]
)

_GROUP_BYTES = 32 << 20
_GROUP_ROWS = 16384
_READ_ROWS = 64


class TableWriter:
    """Writes rows to a Parquet file that appears when all are written. Use it as a context manager.

    Args:
        path: The file.
        schema: Its columns.
    """

    def __init__(self, path: Path, schema: Any) -> None:
        self.path = path
        self.rows = 0
        self.num_bytes = 0
        self._schema = schema
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._waiting = 0
        self._stack = ExitStack()

    def add(self, row: Sequence[Any], *, num_bytes: int = 0) -> None:
        """Add a row, whose values are in the order of the columns; ``num_bytes`` are those of its content."""
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        self.rows += 1
        self.num_bytes += num_bytes
        self._waiting += num_bytes
        if self._waiting >= _GROUP_BYTES or len(self._columns[0]) >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """End the row group."""
        if self._columns[0]:
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(self._columns, self._schema, strict=True)
            ]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._columns = [[] for _ in self._schema]
            self._waiting = 0

    def __enter__(self) -> Self:
        file = self._stack.enter_context(atomic(self.path))
        self._writer = self._stack.enter_context(pq.ParquetWriter(file, self._schema, compression="zstd"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
        except BaseException as late:
            self._stack.__exit__(type(late), late, late.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)


def read_rows(path: Path, *, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, a few at a time.

    Raises:
        DataError: It is not whole.
    """
    try:
        with reading_from(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_READ_ROWS, columns=columns, use_threads=False):
                yield from batch.to_pylist()
    except MemoryError:
        raise  # an ArrowException too, but no fault of the file
    except pa.ArrowException as error:
        raise DataError(f"not whole Parquet: {error}; start over with --no-resume", path=path) from error


def read_range(path: Path, first: int, end: int) -> dict[int, dict[str, Any]]:
    """Return the rows whose ``number`` is from ``first`` to below ``end``; the file is sorted by it."""
    if first >= end:
        return {}
    table = pq.read_table(path, filters=[("number", ">=", first), ("number", "<", end)], use_threads=False)
    return {row["number"]: row for row in table.to_pylist()}


def file_digest(path: Path) -> tuple[str, int]:
    """Return SHA-256 and size of a file."""
    with reading_from(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
