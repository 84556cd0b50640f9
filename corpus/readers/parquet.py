"""Parquet: cut between row groups, read in small batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus.document import Document, Unread
from corpus.readers.layouts import Layout, check_columns, document_of
from corpus.readers.packed import what_it_is
from corpus.readers.shard import Shard, digest_of
from opencoder.errors import DataError
from opencoder.files import reading_from

_BATCH_BYTES = 8 << 20
_BATCH_ROWS = 1024
_BUFFER_BYTES = 1 << 20
_MAGIC = b"PAR1"


def plan_parquet(path: Path, *, name: str, prefix: str, shard_bytes: int) -> list[Shard]:
    """Cut a file into runs of whole row groups of about ``shard_bytes`` on disk.

    Raises:
        DataError: The file is damaged or cut off, or columns are missing.
    """
    with _opened(path) as file:
        found = path.stat()
        _check(file, path, found.st_size)
        shards: list[Shard] = []
        first, line, waiting, rows = 0, 1, 0, 0
        num_groups = file.metadata.num_row_groups
        for index in range(num_groups):
            group = file.metadata.row_group(index)
            waiting += _packed_bytes(group)
            rows += group.num_rows
            if waiting < shard_bytes and index + 1 < num_groups:
                continue
            shards.append(
                Shard(
                    kind="parquet",
                    root=str(path),
                    name=name,
                    first=first,
                    end=index + 1,
                    line=line,
                    prefix=prefix,
                    num_bytes=waiting,
                    digest=digest_of(name, prefix, found.st_size, found.st_mtime_ns, first, index + 1),
                )
            )
            first, line, waiting, rows = index + 1, line + rows, 0, 0
    return shards


def read_parquet(shard: Shard, max_bytes: int) -> Iterator[Document | Unread]:
    """Yield the rows of a shard; contents over ``max_bytes`` are told as unread and never copied.

    Raises:
        DataError: The file cannot be read, or is damaged.
    """
    path = Path(shard.root)
    line = shard.line
    with _opened(path) as file:
        layout = _layout(file, path)
        prefix = f"{shard.prefix}{shard.name}:" if layout.local_ids else shard.prefix
        columns = [name for name in file.schema_arrow.names if name in layout.columns]
        end = file.metadata.num_row_groups if shard.end is None else shard.end
        for index in range(shard.first, end):
            group = file.metadata.row_group(index)
            batches = file.iter_batches(
                batch_size=_batch_rows(group), row_groups=[index], columns=columns, use_threads=False
            )
            for batch in batches:
                for values, size in _rows(batch, layout, max_bytes):
                    yield _told(values, size, layout, shard, prefix, line, max_bytes)
                    line += 1


def _told(
    values: dict[str, Any] | None, size: int, layout: Layout, shard: Shard, prefix: str, line: int, most: int
) -> Document | Unread:
    path = Path(shard.root)
    try:
        if values is None:
            raise DataError("not UTF-8 text; store it as UTF-8", path=path, line=line)
        document = document_of(values, layout, file=path, line=line, prefix=prefix)
    except DataError as error:
        name = f"{shard.prefix}{shard.name}//{line}"
        return Unread(id=name, reason="row", detail=str(error), num_bytes=size)
    if size <= most:
        return document
    return Unread(
        id=document.id,
        reason="size",
        detail=f"{path}:{line}: {size} bytes, of at most {most}",
        num_bytes=size,
        path=document.path,
        repo=document.repo,
    )


def _rows(batch: Any, layout: Layout, max_bytes: int) -> Iterator[tuple[dict[str, Any] | None, int]]:
    """Yield the values of each row and the size of its contents; those over ``max_bytes`` as empty.

    There are no values where text other than the contents is not UTF-8.
    """
    names = [name for name in layout.content if name in batch.schema.names]
    # Bytes, as nothing holds a writer to UTF-8 in columns of text.
    contents = {name: _binary(batch.column(name)) for name in names}
    texts = {name for name in names if not _is_binary(batch.schema.field(name).type)}
    others = _others(batch.select([name for name in batch.schema.names if name not in contents]), layout)
    sizes = {
        name: pc.call_function("binary_length", [column]).to_pylist() for name, column in contents.items()
    }
    for index, values in enumerate(others):
        held = next((name for name in names if sizes[name][index] is not None), None)
        size = 0 if held is None else sizes[held][index]
        if values is None or held is None:
            yield values, size
            continue
        values[held] = contents[held][index].as_py() if size <= max_bytes else b""
        if held in texts and layout.encoding is not None:
            # The column says what the bytes were before they became text.
            values[layout.encoding] = None
        yield values, size


def _others(rest: Any, layout: Layout) -> Iterator[dict[str, Any] | None]:
    if not rest.num_columns:
        yield from ({} for _ in range(rest.num_rows))
        return
    rest = _plain(rest, layout)
    try:
        yield from rest.to_pylist()
    except UnicodeDecodeError:
        for index in range(rest.num_rows):
            try:
                yield rest.slice(index, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield None


def _binary(column: Any) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    large = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    return column.cast(pa.large_binary() if large else pa.binary())


def _is_binary(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _plain(batch: Any, layout: Layout) -> Any:
    """Turn timestamps into seconds; pyarrow would need pandas for those in nanoseconds."""
    for index, field in enumerate(batch.schema):
        if field.name not in layout.commit_time or not pa.types.is_temporal(field.type):
            continue
        column = batch.column(index).cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        seconds = [None if value is None else value / 1e6 for value in column.to_pylist()]
        batch = batch.set_column(index, field.name, pa.array(seconds, pa.float64()))
    return batch


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with reading_from(path):
        with path.open("rb") as file:
            head = file.read(64)
        if not head.startswith(_MAGIC):
            found = what_it_is(head) or ("an empty file" if not head else None)
            raise DataError(f"not Parquet{(found and f' but {found}') or ''}", path=path)
        try:
            # Pages are read as they are needed, not whole row groups ahead.
            with pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as opened:
                yield opened
        except (pa.ArrowException, OSError) as error:
            said = " ".join(str(error).split())
            raise DataError(f"not Parquet that can be read: {said}; fetch it again", path=path) from error


def _check(file: Any, path: Path, size: int) -> None:
    layout = _layout(file, path)
    for name in layout.columns:
        if file.schema_arrow.names.count(name) > 1:
            raise DataError(f"has several columns `{name}`", path=path)
    for name in layout.content:
        index = file.schema_arrow.get_field_index(name)
        kind = None if index < 0 else file.schema_arrow.field(index).type
        if kind is not None and not _is_text(kind):
            raise DataError(f"column `{name}` must be text, not {kind}", path=path)
    for index in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(index)
        for column in map(group.column, range(group.num_columns)):
            starts = [column.data_page_offset, column.dictionary_page_offset]
            start = min(at for at in starts if at)
            if start + column.total_compressed_size > size - 8 - file.metadata.serialized_size:
                raise DataError(
                    f"row group {index} lies beyond the end of the data; fetch it again", path=path
                )


def _is_text(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return _is_binary(kind) or bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _layout(file: Any, path: Path) -> Layout:
    try:
        return check_columns(file.schema_arrow.names)
    except ValueError as error:
        raise DataError(str(error), path=path) from error


def _packed_bytes(group: Any) -> int:
    return sum(int(group.column(index).total_compressed_size) for index in range(group.num_columns))


def _batch_rows(group: Any) -> int:
    """Rows that together take some MiB."""
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * int(group.num_rows) // max(1, int(group.total_byte_size))))
