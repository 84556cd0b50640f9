"""Documents from a folder of files, JSON lines or Parquet.

Folder
    Every regular file below it is one document; its id and path are the path relative to the folder.
    Links, ``.git`` and what lies in the output folder are passed over.
``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``, ``.parquet``
    Rows with ``id`` (or, in its place, ``path``), ``content`` (or ``text``), and if known ``path``,
    ``repo``, ``stars`` and ``commit_time``: seconds since 1970, or ISO 8601 text, taken as UTC if it names no
    zone; in Parquet also timestamps. Other columns are ignored.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from corpus.document import Document
from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from opencoder.store import read_numbered

_COLUMNS = ("id", "path", "repo", "content", "text", "stars", "commit_time")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1


class _Row(msgspec.Struct, kw_only=True):
    id: str | int | None = None
    path: str | None = None
    repo: str | None = None
    # Text, or bytes of a binary column; no union of the two can be declared.
    content: Any = None
    text: Any = None
    stars: int | float | None = None
    commit_time: int | float | str | None = None


def read_documents(source: Path, *, skip: Path | None = None) -> Iterator[Document]:
    """Yield the documents of a folder or a file, those of a folder in the order of their paths.

    Args:
        source: The folder or the file.
        skip: A folder to pass over.

    Raises:
        DataError: A file or a row cannot be used; says where and what to do.
        UserError: The suffix is not known.
    """
    if source.is_dir():
        yield from _folder(source, skip)
    elif source.suffix == ".parquet":
        yield from _parquet(source)
    elif source.name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")):
        for number, row in read_numbered(source, _Row):
            yield _document(row, source, number)
    elif not source.exists():
        raise DataError("no such file or folder; check the path", path=source)
    else:
        raise UserError(f"{source}: must be a folder, .jsonl, .jsonl.gz, .jsonl.zst or .parquet")


def _folder(folder: Path, skip: Path | None) -> Iterator[Document]:
    passed_over = None if skip is None else skip.resolve()

    def refused(error: OSError) -> None:
        raise DataError(f"cannot be read: {error.strerror or error}", path=error.filename) from error

    for name, folders, files in os.walk(folder, onerror=refused):
        here = Path(name)
        folders[:] = sorted(sub for sub in folders if sub != ".git" and (here / sub).resolve() != passed_over)
        for path in sorted(here / file for file in files):
            if path.is_symlink() or not path.is_file():
                continue
            with reading_from(path):
                content = path.read_bytes()
            # Names on disk are bytes; those that are not UTF-8 are written with escapes.
            relative = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
            yield Document(id=relative, content=content, path=relative, file=path)


def _parquet(path: Path) -> Iterator[Document]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with reading_from(path), pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            columns = [name for name in _COLUMNS if name in schema.names]
            number = 0
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                for values in _plain(batch).to_pylist():
                    number += 1
                    yield _document(_checked(values, path, number), path, number)
    except pa.ArrowException as error:
        raise DataError(f"not Parquet that can be read: {error}; fetch it again", path=path) from error


def _plain(batch: Any) -> Any:
    """Turn timestamps into seconds; pyarrow would need pandas for those in nanoseconds."""
    import pyarrow as pa

    index = batch.schema.get_field_index("commit_time")
    if index < 0 or not pa.types.is_temporal(batch.schema.field(index).type):
        return batch
    column = batch.column(index).cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    seconds = [None if value is None else value / 1e6 for value in column.to_pylist()]
    return batch.set_column(index, "commit_time", pa.array(seconds, pa.float64()))


def _checked(values: dict[str, Any], path: Path, number: int) -> _Row:
    try:
        return msgspec.convert(values, _Row)
    except msgspec.ValidationError as error:
        raise DataError(
            f"wrong row: {str(error)[:1].lower()}{str(error)[1:]}", path=path, line=number
        ) from error


def _document(row: _Row, path: Path, number: int) -> Document:
    try:
        content = row.text if row.content is None else row.content
        name = row.path if row.id is None else row.id
        if content is None:
            raise ValueError("neither `content` nor `text`; every row needs the text of a file")
        if not isinstance(content, str | bytes):
            raise ValueError(f"`content` must be text, not {type(content).__name__}")
        if name is None:
            raise ValueError("neither `id` nor `path`; every row needs a name of its own")
        return Document(
            id=str(name),
            content=content if isinstance(content, bytes) else content.encode(),
            path=row.path,
            repo=row.repo,
            stars=_whole(row.stars, "stars"),
            commit_time=_microseconds(row.commit_time),
            file=path,
            line=number,
        )
    except ValueError as error:
        raise DataError(str(error), path=path, line=number) from error


def _whole(value: float | None, name: str) -> int | None:
    # Tables that came through pandas hold whole numbers as floats, and NaN where one is missing.
    if value is None or math.isnan(value):
        return None
    if math.isinf(value) or value != int(value) or abs(value) > _LARGEST:
        raise ValueError(f"`{name}` must be a whole number of 64 bits, not {value}")
    return int(value)


def _microseconds(value: float | str | None) -> int | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"`commit_time` must be seconds since 1970 or ISO 8601 text, not {value!r}"
            ) from None
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
        return (time - _EPOCH) // timedelta(microseconds=1)
    if abs(value) > _LARGEST // 1_000_000:
        raise ValueError(f"`commit_time` must be seconds since 1970, not {value}")
    return value * 1_000_000 if isinstance(value, int) else round(value * 1e6)
