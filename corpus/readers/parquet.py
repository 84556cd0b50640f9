"""Rows of Parquet files, a few at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.readers.layouts import COLUMNS, no_content
from opencoder.errors import DataError
from opencoder.files import reading_from

_MAGIC = b"PAR1"
_BATCH_BYTES = 8 << 20
_BATCH_ROWS = 1024
_PAGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Group:
    """A row group.

    Attributes:
        num_bytes: Unpacked.
        packed_bytes: In the file.
    """

    rows: int
    num_bytes: int
    packed_bytes: int


def check_parquet(path: Path) -> list[Group]:
    """Return the row groups of a file after a look at whether it is whole.

    Magic, footer, the places of all column chunks and the names of the columns are checked; the pages
    themselves are not, so damage within one comes out while reading.

    Raises:
        DataError: The file cannot be read, is no Parquet, is cut off, or has no column with text.
    """
    with reading_from(path), path.open("rb") as file:
        size = path.stat().st_size
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DataError("not Parquet, though its name ends in .parquet; fetch it again", path=path)
        file.seek(max(size - len(_MAGIC), 0))
        if size < 3 * len(_MAGIC) or file.read() != _MAGIC:
            raise DataError("Parquet that is cut off (its end is missing); fetch it again", path=path)
    with _opened(path) as file:
        if (why := no_content(file.schema_arrow.names)) is not None:
            raise DataError(f"{why} (columns: {', '.join(file.schema_arrow.names)[:200]})", path=path)
        return [_group(file.metadata.row_group(i), size, path) for i in range(file.metadata.num_row_groups)]


def _group(group: Any, size: int, path: Path) -> Group:
    packed = 0
    for column in (group.column(i) for i in range(group.num_columns)):
        first = column.data_page_offset
        if column.has_dictionary_page and column.dictionary_page_offset:
            first = min(first, column.dictionary_page_offset)
        if first < len(_MAGIC) or first + column.total_compressed_size > size:
            raise DataError(
                "Parquet that is cut off (a column lies beyond its end); fetch it again", path=path
            )
        packed += column.total_compressed_size
    return Group(group.num_rows, group.total_byte_size, packed)


def read_rows(
    path: Path, *, first: int = 0, end: int | None = None, before: int = 0
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(number, values by column)`` of the columns that some layout knows; nulls are left out.

    Text of the file comes as bytes, so that broken text does not stop the reading.

    Args:
        path: The file.
        first: First row group.
        end: The row group after the last.
        before: Rows before the first.

    Raises:
        DataError: The file cannot be read.
    """
    number = before
    with _opened(path) as file:
        columns = [name for name in file.schema_arrow.names if name in COLUMNS]
        metadata = file.metadata
        for index in range(first, metadata.num_row_groups if end is None else end):
            group = metadata.row_group(index)
            rows = _BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)
            rows = max(1, min(_BATCH_ROWS, rows))
            for batch in file.iter_batches(rows, row_groups=[index], columns=columns, use_threads=False):
                names = batch.schema.names
                for values in zip(*map(_plain, batch.columns), strict=True):
                    number += 1
                    found = zip(names, values, strict=True)
                    yield number, {name: _text(name, value) for name, value in found if value is not None}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # Pages are read one by one: a column chunk may be larger than the memory.
        with reading_from(path), pq.ParquetFile(path, buffer_size=_PAGE_BYTES, pre_buffer=False) as file:
            yield file
    except pa.ArrowException as error:
        what = " ".join(str(error).split())
        raise DataError(f"not Parquet that can be read: {what}; fetch it again", path=path) from error


def _plain(column: Any) -> list[Any]:
    """Return the values of a column; text as bytes, times as seconds."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind):
        column = column.cast(pa.binary())
    elif pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        column = column.cast(pa.large_binary())
    elif pa.types.is_temporal(kind) and not pa.types.is_duration(kind) and not pa.types.is_time(kind):
        # pyarrow would need pandas for those in nanoseconds.
        times = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
        return [None if value is None else value / 1e6 for value in times]
    values: list[Any] = column.to_pylist()
    return values


_TEXTS = frozenset({"content", "text", "code"})


def _text(name: str, value: Any) -> Any:
    if isinstance(value, bytes) and name not in _TEXTS:
        return value.decode("utf-8", "backslashreplace")
    return value
