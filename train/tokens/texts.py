"""The documents of an input: which pieces of work there are, and the texts of one piece.

==========================================  ======================================================
Input                                       Documents
==========================================  ======================================================
folder of ``opencoder corpus build``        rows of ``documents/*.parquet``
``.parquet``, ``.jsonl``, ``.jsonl.gz``,    rows, by the column of text
``.jsonl.zst``
folder with such files right in it          rows of these files; other files are passed over
any other folder                            every file in it and below, without ``.git`` and links
any other file                              the file
==========================================  ======================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from opencoder.store import read_numbered

FIELDS = ("content", "text")
"""Columns of text; the first that there is."""

_SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
_PIECE_BYTES = 256 << 20
_FILES_BYTES = 64 << 20
_READ_ROWS = 256


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes one shard.

    Attributes:
        name: Of the shard.
        source: What it is, for the manifest: relative to the input.
        files: One file of rows, or many that are documents themselves; absolute.
        groups: First and last-but-one row group of a Parquet file.
        sizes: Size and time of change (nanoseconds) of each file.
    """

    name: str
    source: str
    files: list[str]
    groups: tuple[int, int] | None = None
    sizes: list[tuple[int, int]]


def plan(inputs: Sequence[Path]) -> list[Piece]:
    """Return the pieces of inputs in their order: one for each file, or several of a large Parquet file.

    Raises:
        DataError: An input is missing or a Parquet file is damaged.
        UserError: There are no documents at all.
    """
    pieces: list[Piece] = []
    for given in inputs:
        root = given.resolve()
        if not root.exists():
            raise DataError("no such file or folder; check the path", path=given)
        for source, files, groups in _parts(root):
            sizes = [(state.st_size, state.st_mtime_ns) for state in (file.stat() for file in files)]
            name = f"part-{len(pieces):06}"
            names = [str(file) for file in files]
            pieces.append(Piece(name=name, source=source, files=names, groups=groups, sizes=sizes))
    if not pieces:
        raise UserError(
            f"no documents in {', '.join(map(str, inputs))}; give files or folders that hold some"
        )
    return pieces


def read_texts(piece: Piece, field: str | None) -> Iterator[str | None]:
    """Yield the texts of a piece; ``None`` for a file that is no UTF-8 text.

    Args:
        piece: What is read.
        field: Column of text; one of :data:`FIELDS` if not given. Empty values are empty texts.

    Raises:
        DataError: A file is missing, cut or broken, or has no such column.
    """
    first = Path(piece.files[0])
    if not first.name.endswith(_SUFFIXES) or len(piece.files) > 1:
        yield from map(_read_text, map(Path, piece.files))
    elif piece.groups is not None:
        yield from _read_parquet(first, piece.groups, field)
    else:
        yield from _read_rows(first, field)


def _parts(root: Path) -> Iterator[tuple[str, list[Path], tuple[int, int] | None]]:
    """Yield what becomes a piece: how it is called, its files, its row groups."""
    if root.is_dir() and (root / "documents").is_dir() and (root / "manifest.json").is_file():
        root = root / "documents"
    if root.is_file():
        yield from _file_parts(root)
    elif rows := sorted(path for path in root.iterdir() if path.name.endswith(_SUFFIXES) and path.is_file()):
        for path in rows:
            yield from _file_parts(path)
    else:
        yield from _folder_parts(root)


def _file_parts(path: Path) -> Iterator[tuple[str, list[Path], tuple[int, int] | None]]:
    if path.suffix != ".parquet":
        yield path.name, [path], None
        return
    cuts = _cuts(path)
    for begin, end in pairwise(cuts):
        yield f"{path.name}[{begin}:{end}]" if len(cuts) > 2 else path.name, [path], (begin, end)


def _folder_parts(root: Path) -> Iterator[tuple[str, list[Path], None]]:
    waiting: list[Path] = []
    size = 0
    for path in _walk(root):
        waiting.append(path)
        size += path.stat().st_size
        if size >= _FILES_BYTES:
            yield f"{waiting[0].relative_to(root)} ...", waiting, None
            waiting, size = [], 0
    if waiting:
        yield f"{waiting[0].relative_to(root)} ...", waiting, None


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _cuts(path: Path) -> list[int]:
    """Return where a Parquet file is cut, in row groups, so that each piece is of about 256 MB."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with reading_from(path):
            about = pq.read_metadata(path)
    except pa.ArrowException as error:
        raise DataError(f"not whole Parquet: {error}", path=path) from error
    cuts, size = [0], 0
    for group in range(about.num_row_groups):
        size += about.row_group(group).total_byte_size
        if size >= _PIECE_BYTES:
            cuts.append(group + 1)
            size = 0
    return cuts if cuts[-1] == about.num_row_groups else [*cuts, about.num_row_groups]


def _read_parquet(path: Path, groups: tuple[int, int], field: str | None) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with reading_from(path), pq.ParquetFile(path) as file:
            column = _column(file.schema_arrow.names, field, path)
            kind = file.schema_arrow.field(column).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise DataError(f"column `{column}` is {kind}, not text", path=path)
            batches = file.iter_batches(
                batch_size=_READ_ROWS, row_groups=list(range(*groups)), columns=[column], use_threads=False
            )
            for batch in batches:
                for value in batch.column(0).to_pylist():
                    yield value or ""
    except pa.ArrowException as error:
        raise DataError(f"not whole Parquet: {error}", path=path) from error


def _read_rows(path: Path, field: str | None) -> Iterator[str]:
    for number, row in read_numbered(path, dict[str, msgspec.Raw]):
        column = _column(row, field, path, number)
        try:
            value = msgspec.json.decode(row[column], type=str | None)
        except msgspec.ValidationError as error:
            raise DataError(f"`{column}` is not text", path=path, line=number) from error
        yield value or ""


def _column(names: Any, field: str | None, path: Path, line: int | None = None) -> str:
    for name in FIELDS if field is None else (field,):
        if name in names:
            return name
    wanted = " or ".join(f"`{name}`" for name in (FIELDS if field is None else (field,)))
    raise DataError(f"no column {wanted}; name the column of text with --text-field", path=path, line=line)


def _read_text(path: Path) -> str | None:
    with reading_from(path):
        data = path.read_bytes()
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None
