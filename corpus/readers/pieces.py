"""Files of rows at the start of a build: whether they can be read, and where they are cut.

What is checked:

Parquet
    Magic, footer, places of the column chunks, names of the columns. Pages are not unpacked.
``.jsonl.zst``
    Every block header up to the end of the file, which finds any cut; the blocks are not unpacked.
``.jsonl.gz``
    Unpacked from start to end, since gzip tells a cut, and damage, in no other way (some 300 MB/s a core,
    little beside what a build does with each byte).
``.jsonl``
    Nothing marks its end: a row that was cut off comes out as a broken one. A file larger than a shard is
    read once, for its line ends.
All JSON lines
    Of the rows in the first MiB at least one must have a text.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from corpus.readers.layouts import json_columns, no_content
from corpus.readers.lines import read_chunks
from corpus.readers.parquet import check_parquet
from corpus.readers.zstd import check_zstd
from opencoder.errors import DataError
from opencoder.files import reading_from
from opencoder.store import packing

_CHUNK_BYTES = 1 << 20
_LFS = b"version https://git-lfs"
_MAGICS = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"PAR1": ".parquet"}


@dataclass(frozen=True, slots=True)
class Piece:
    """What becomes a shard; see there."""

    first: int
    end: int | None
    before: int
    num_bytes: int


def is_rows(name: str) -> bool:
    """Say whether a file of this name holds rows."""
    return name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"))


def cut_rows(path: Path, shard_bytes: int) -> list[Piece]:
    """Check a file of rows and return its pieces.

    Raises:
        DataError: It cannot be read, is not what its name says, is cut off, or has no column with text.
    """
    with reading_from(path):
        with path.open("rb") as file:
            head = file.read(len(_LFS))
        size = path.stat().st_size
    if head == _LFS:
        raise DataError("is a pointer of Git LFS, not the file; run `git lfs pull` there", path=path)
    if path.suffix == ".parquet":
        return _parquet(path, shard_bytes)
    kind = packing(path)
    if kind == "plain":
        for magic, suffix in _MAGICS.items():
            if head.startswith(magic):
                raise DataError(f"not JSON lines but data of a {suffix} file; rename it", path=path)
    if kind == "zstd":
        check_zstd(path)
    chunks = read_chunks(path)
    start = next(chunks, b"")
    _check_head(start, path)
    if kind == "gzip":
        for _ in chunks:
            pass
    if kind == "plain" and size > shard_bytes:
        return _lines(path, size, shard_bytes)
    return [Piece(0, None, 0, size)]


def _check_head(start: bytes, path: Path) -> None:
    lines = start.split(b"\n")
    known = [columns for line in lines if (columns := json_columns(line)) is not None]
    if known and all(no_content(columns) for columns in known):
        raise DataError(str(no_content(known[0])), path=path, line=1)


def _lines(path: Path, size: int, shard_bytes: int) -> list[Piece]:
    pieces: list[Piece] = []
    first = before = number = place = 0
    for chunk in read_chunks(path):
        start = 0
        # The byte from which on a line end closes the piece.
        while (least := max(first + shard_bytes - 1 - place, start)) < len(chunk):
            end = chunk.find(b"\n", least) + 1
            if not end:
                break
            number += chunk.count(b"\n", start, end)
            pieces.append(Piece(first, place + end, before, place + end - first))
            first, before, start = place + end, number, end
        number += chunk.count(b"\n", start)
        place += len(chunk)
    if first < size:
        pieces.append(Piece(first, size, before, size - first))
    return pieces


def _parquet(path: Path, shard_bytes: int) -> list[Piece]:
    groups = check_parquet(path)
    pieces: list[Piece] = []
    first = before = 0
    unpacked = list(itertools.accumulate(group.num_bytes for group in groups))
    for index in range(len(groups)):
        start = unpacked[first - 1] if first else 0
        if index + 1 == len(groups) or unpacked[index] - start >= shard_bytes:
            part = groups[first : index + 1]
            pieces.append(Piece(first, index + 1, before, sum(group.packed_bytes for group in part)))
            first, before = index + 1, before + sum(group.rows for group in part)
    return pieces
