"""Documents of one folder or file as they are, without a plan: the first fault ends the reading.

Folder
    Every regular file below it is one document; its id and path are the path relative to the folder.
    Links, ``.git`` and what lies in the output folder are passed over.
``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``, ``.parquet``
    Rows in one of the layouts of ``corpus.readers.layouts``. Ours has ``id`` (or, in its place, ``path``),
    ``content`` (or ``text``), and if known ``path``, ``repo``, ``stars``, ``license`` and ``commit_time``:
    seconds since 1970, or ISO 8601 text, taken as UTC if it names no zone; in Parquet also timestamps. Other
    columns are ignored.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from corpus.document import Document
from corpus.readers.folder import identity, printable, walk
from corpus.readers.layouts import Row, parse_json, parse_values
from corpus.readers.lines import read_lines
from corpus.readers.parquet import read_rows
from corpus.readers.pieces import is_rows
from opencoder.errors import DataError, UserError
from opencoder.files import reading_from


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
    elif not is_rows(source.name):
        if not source.exists():
            raise DataError("no such file or folder; check the path", path=source)
        raise UserError(f"{source}: must be a folder, .jsonl, .jsonl.gz, .jsonl.zst or .parquet")
    else:
        for number, parsed in _parsed(source):
            if isinstance(parsed, ValueError):
                raise DataError(str(parsed), path=source, line=number) from parsed
            yield _document(parsed, source, number)


def _folder(folder: Path, skip: Path | None) -> Iterator[Document]:
    def refuse(place: str, reason: str) -> None:
        raise DataError(f"cannot be read: {reason}", path=place)

    for found in walk(folder, refuse, skip=identity(skip)):
        path = folder / os.fsdecode(found.name)
        with reading_from(path):
            content = path.read_bytes()
        relative = printable(found.name)
        yield Document(id=relative, content=content, path=relative, file=path)


def _parsed(path: Path) -> Iterator[tuple[int, Row | ValueError]]:
    if path.suffix == ".parquet":
        for number, values in read_rows(path):
            try:
                yield number, parse_values(values)
            except ValueError as error:
                yield number, error
        return
    for line in read_lines(path, limit=sys.maxsize):
        try:
            yield line.number, parse_json(line.text or b"")
        except ValueError as error:
            yield line.number, error


def _document(row: Row, path: Path, number: int) -> Document:
    if row.name is None:
        fault = "neither `id` nor `path`; every row needs a name of its own"
        raise DataError(fault, path=path, line=number)
    return Document(
        id=row.name,
        content=row.content,
        path=row.path,
        repo=row.repo,
        stars=row.stars,
        commit_time=row.commit_time,
        license=row.license,
        file=path,
        line=number,
    )
