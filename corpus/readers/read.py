"""The documents of a shard, in order, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from corpus.document import Document, Unread
from corpus.readers.folder import Folder, printable
from corpus.readers.layouts import Row, parse_json, parse_values
from corpus.readers.lines import read_lines
from corpus.readers.parquet import read_rows
from corpus.readers.shard import MAX_DOCUMENT_BYTES, Item, Shard
from opencoder.files import reading_from

Notebooks = Literal["script", "markdown", "both", "drop"]

_LONGEST_LINE = 8
"""Times the largest document: JSON writes a control character as six."""


def read_shard(
    shard: Shard, *, max_bytes: int = MAX_DOCUMENT_BYTES, notebooks: Notebooks = "script"
) -> Iterator[Document | Unread]:
    """Yield the documents of a shard, and what of it could not be read.

    Reasons of ``Unread``: ``size`` (larger than ``max_bytes``; a JSON line longer than 8 times that is passed
    over unread), ``row`` (no JSON, a column that is missing or of a wrong type), ``unreadable`` (a file that
    went, changed its kind or cannot be opened since the plan was made), ``notebook``.

    Args:
        shard: As planned.
        max_bytes: Largest document.
        notebooks: What notebooks become.

    Raises:
        DataError: A file of rows cannot be read or is damaged.
    """
    if shard.kind == "files":
        yield from _files(shard, max_bytes)
    else:
        yield from _rows(shard, max_bytes)


def _files(shard: Shard, max_bytes: int) -> Iterator[Document | Unread]:
    root = Path(shard.root)
    with reading_from(root), Folder(root) as folder:
        for item in shard.items:
            yield _file(shard, root, folder, item, max_bytes)


def _file(shard: Shard, root: Path, folder: Folder, item: Item, max_bytes: int) -> Document | Unread:
    path = printable(item.name)
    name = shard.prefix + path

    def unread(reason: str, detail: str, size: int) -> Unread:
        return Unread(id=name, reason=reason, detail=detail, num_bytes=size, path=path, repo=shard.repo)

    try:
        size, content = folder.read(item.name, max_bytes)
    except OSError as error:
        return unread("unreadable", f"{printable(str(root))}/{path}: {error.strerror or error}", 0)
    if size > max_bytes:
        return unread("size", f"{size} bytes; at most {max_bytes} are read", size)
    return Document(
        id=name,
        content=content,
        path=path,
        repo=shard.repo,
        stars=shard.stars,
        commit_time=item.commit_time,
        license=shard.license,
        file=root / path,
    )


def _rows(shard: Shard, max_bytes: int) -> Iterator[Document | Unread]:
    path = Path(shard.root)
    for number, row, size in _parsed(shard, path, max_bytes):
        name = f"{shard.prefix}{shard.label}:{number}"
        if isinstance(row, _Fault):
            yield Unread(id=name, reason=row.reason, detail=f"{path}:{number}: {row.detail}", num_bytes=size)
            continue
        name = name if row.name is None else shard.prefix + row.name
        if len(row.content) > max_bytes:
            yield Unread(
                id=name,
                reason="size",
                detail=f"{path}:{number}: {len(row.content)} bytes; at most {max_bytes} are read",
                num_bytes=len(row.content),
                path=row.path,
                repo=row.repo,
            )
            continue
        yield Document(
            id=name,
            content=row.content,
            path=row.path,
            repo=row.repo,
            stars=row.stars,
            commit_time=row.commit_time,
            license=row.license,
            file=path,
            line=number,
        )


class _Fault:
    """Why a row is none."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail


def _parsed(shard: Shard, path: Path, max_bytes: int) -> Iterator[tuple[int, Row | _Fault, int]]:
    """Yield ``(number, row, size)``."""
    row: Row | _Fault
    if shard.kind == "parquet":
        for number, values in read_rows(path, first=shard.first, end=shard.end, before=shard.before):
            try:
                row, size = parse_values(values), 0
            except ValueError as error:
                size = sum(len(value) for value in values.values() if isinstance(value, bytes | str))
                row = _Fault("row", str(error))
            yield number, row, size
        return
    limit = _LONGEST_LINE * max_bytes
    for line in read_lines(path, limit=limit, first=shard.first, end=shard.end, before=shard.before):
        try:
            if line.text is None:
                row = _Fault("size", f"a line of {line.num_bytes} bytes; at most {limit} are read")
            else:
                row = parse_json(line.text)
        except ValueError as error:
            row = _Fault("row", str(error))
        yield line.number, row, line.num_bytes
