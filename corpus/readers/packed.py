"""The bytes of JSON lines files, plain or packed, as lines, in bounded memory.

Whether a packed file is whole is found out before its first row is used. A Zstandard file is walked from
block header to block header (RFC 8878, 3.1.1) without unpacking it. A gzip file has no such chain: its last
bytes may belong to any member, so it is unpacked once; that costs some percent of what the pipeline does.
What neither can tell, a flipped bit in Zstandard data, surfaces as an error when it is read.
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from opencoder.errors import DataError
from opencoder.files import reading_from
from opencoder.store import packing

_CHUNK_BYTES = 1 << 20
_SPOOL_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
_KNOWN = {
    _GZIP: "gzip data",
    _ZSTD: "Zstandard data",
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip archive",
    b"version https://git-lfs.": "a Git LFS pointer; fetch the file itself: git lfs pull",
}


def what_it_is(head: bytes) -> str | None:
    """Name the format that a file of these first bytes has, if it is a known one and no JSON lines."""
    return next((name for magic, name in _KNOWN.items() if head.startswith(magic)), None)


def check_whole(path: Path) -> None:
    """Find out whether a JSON lines file is packed as its name says, and whole.

    Raises:
        DataError: It is not.
    """
    with reading_from(path), path.open("rb") as file:
        head = file.read(4096)
        kind = packing(path)
        magic = {"gzip": _GZIP, "zstd": _ZSTD}.get(kind)
        skippable = kind == "zstd" and head[1:4] == _SKIPPABLE
        if head and magic is not None and not head.startswith(magic) and not skippable:
            found = what_it_is(head)
            raise DataError(
                f"not {kind} data, though its name says so{(found and f': {found}') or ''}", path=path
            )
        if magic is None:
            if found := what_it_is(head):
                raise DataError(f"not JSON lines but {found}", path=path)
            if b"\0" in head:
                raise DataError("not JSON lines: holds NUL bytes", path=path)
        elif kind == "zstd":
            file.seek(0)
            _walk_frames(file, path)
    if kind == "gzip" and head:
        for _ in chunks(path):
            pass


def chunks(path: Path, first: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file, at most 1 MiB at a time.

    Args:
        path: The file; its name says how it is packed.
        first: First byte of a plain file.
        end: The one after the last; None for all.

    Raises:
        DataError: It cannot be read, is damaged or cut off.
    """
    kind = packing(path)
    with reading_from(path), path.open("rb") as file:
        try:
            if kind == "gzip":
                if path.stat().st_size:
                    with gzip.open(file, "rb") as unpacked:
                        yield from _all(unpacked)
            elif kind == "zstd":
                # The unpacker does not say when data ends within a frame.
                _walk_frames(file, path)
                file.seek(0)
                unpacker = zstandard.ZstdDecompressor()
                with unpacker.stream_reader(file, read_across_frames=True, closefd=False) as stream:
                    yield from _all(stream)
            else:
                file.seek(first)
                left = None if end is None else end - first
                for chunk in _all(file, left):
                    left = None if left is None else left - len(chunk)
                    yield chunk
                if left:
                    raise DataError(f"{left} bytes shorter than when it was planned; start anew", path=path)
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
            said = f"{kind} data is cut off or damaged ({error}); fetch the file again"
            raise DataError(said, path=path) from error


def lines(pieces: Iterator[bytes], limit: int, *, line: int = 1) -> Iterator[tuple[int, bytes | None, int]]:
    """Yield ``(number, text, size)`` of the lines that are not blank; text is None over ``limit`` bytes.

    A long line waits on disk, so that memory stays small until it is known to fit.

    Args:
        pieces: The bytes.
        limit: Most bytes of a line.
        line: Number of the first line.
    """
    size = 0
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as waiting:
        for piece in pieces:
            start = 0
            while (newline := piece.find(b"\n", start)) >= 0:
                if size == 0:
                    yield from _told(line, piece[start:newline], limit)
                else:
                    size = _add(waiting, piece[start:newline], size, limit)
                    yield from _waited(line, waiting, size, limit)
                    size = 0
                line, start = line + 1, newline + 1
            if start < len(piece):
                size = _add(waiting, piece[start:], size, limit)
        if size:
            yield from _waited(line, waiting, size, limit)


def _add(waiting: tempfile.SpooledTemporaryFile[bytes], piece: bytes, size: int, limit: int) -> int:
    if size + len(piece) <= limit:
        waiting.write(piece)
    return size + len(piece)


def _waited(
    line: int, waiting: tempfile.SpooledTemporaryFile[bytes], size: int, limit: int
) -> Iterator[tuple[int, bytes | None, int]]:
    text = None
    if size <= limit:
        waiting.seek(0)
        text = waiting.read()
    waiting.seek(0)
    waiting.truncate()
    if text is None:
        yield line, None, size
    else:
        yield from _told(line, text, limit)


def _told(line: int, text: bytes, limit: int) -> Iterator[tuple[int, bytes | None, int]]:
    size = len(text)
    text = text.removeprefix(_BOM if line == 1 else b"").strip()
    if text:
        yield line, text if size <= limit else None, size


def _all(file: object, size: int | None = None) -> Iterator[bytes]:
    left = size
    while chunk := file.read(_CHUNK_BYTES if left is None else min(left, _CHUNK_BYTES)):  # type: ignore[attr-defined]
        if left is not None:
            left -= len(chunk)
        yield chunk


def _walk_frames(file: BinaryIO, path: Path) -> None:
    """Follow the headers of all frames and blocks to the end of the file.

    Raises:
        DataError: They do not end where the file does.
    """
    size = path.stat().st_size
    end = 0
    while end < size:
        end = _frame_end(file, end, path)
    if end != size:
        raise DataError("not whole Zstandard data: the file is cut off; fetch it again", path=path)


def _frame_end(file: BinaryIO, start: int, path: Path) -> int:
    file.seek(start)
    head = file.read(18)
    if head[1:4] == _SKIPPABLE and head[0] >> 4 == 5 and len(head) >= 8:
        return start + 8 + int.from_bytes(head[4:8], "little")
    if not head.startswith(_ZSTD) or len(head) < 5:
        raise DataError("not whole Zstandard data: the file is damaged or cut off; fetch it again", path=path)
    flags = head[4]
    single = flags >> 5 & 1
    size_bytes = (single, 2, 4, 8)[flags >> 6]
    at = start + 5 + (1 - single) + (0, 1, 2, 4)[flags & 3] + size_bytes
    last = False
    while not last:
        file.seek(at)
        block = file.read(3)
        if len(block) < 3:
            raise DataError("not whole Zstandard data: the file is cut off; fetch it again", path=path)
        value = int.from_bytes(block, "little")
        last = bool(value & 1)
        # A block of one repeated byte (type 1) holds just that byte.
        at += 3 + (1 if value >> 1 & 3 == 1 else value >> 3)
    return at + (4 if flags >> 2 & 1 else 0)
