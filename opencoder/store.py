"""Records on disk: JSON lines, plain (``.jsonl``), gzip (``.jsonl.gz``) or Zstandard (``.jsonl.zst``).

The suffix decides, for reading and for writing. Reading is strict (a fault is a ``DataError`` with
``file:line``); :class:`JsonlAppender` mends what a killed writer left behind.
"""

from __future__ import annotations

import gzip
import os
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TypeVar, overload

import msgspec
import zstandard

from opencoder.errors import DataError, UserError
from opencoder.files import atomic, make_folder, reading_from, write_bytes, writing_to

T = TypeVar("T")

Packing = Literal["plain", "gzip", "zstd"]

_CHUNK_BYTES = 1 << 20
_FRAME_BYTES = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_ENCODER = msgspec.json.Encoder()


def packing(path: Path) -> Packing:
    """Return how a JSON lines file of this name is packed.

    Raises:
        UserError: The name ends in none of the three suffixes.
    """
    kinds: dict[str, Packing] = {".jsonl": "plain", ".jsonl.gz": "gzip", ".jsonl.zst": "zstd"}
    for suffix, kind in kinds.items():
        if path.name.endswith(suffix):
            return kind
    raise UserError(f"{path}: not a JSON lines file name; it must end in .jsonl, .jsonl.gz or .jsonl.zst")


@overload
def read_jsonl(path: Path) -> Iterator[Any]: ...
@overload
def read_jsonl(path: Path, kind: type[T]) -> Iterator[T]: ...
def read_jsonl(path: Path, kind: Any = Any) -> Iterator[Any]:
    """Yield the rows of a JSON lines file, each checked against ``kind``. Empty lines are ignored.

    Raises:
        DataError: No such file, broken JSON, a missing field or a wrong type (with its path in the row),
            text that is not UTF-8, a file that is not packed as its name says, or one that is cut off.
        UserError: The suffix is not known.
    """
    for _, row in read_numbered(path, kind):
        yield row


def read_numbered(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Like :func:`read_jsonl`, with the 1-based line number of each row (for errors found later)."""
    decoder = msgspec.json.Decoder(kind)
    for number, line in _lines(path):
        try:
            row = decoder.decode(line)
        except UnicodeDecodeError as error:
            raise DataError("not UTF-8 text; convert the file", path=path, line=number) from error
        except msgspec.ValidationError as error:
            raise DataError(f"wrong row: {_lower(error)}", path=path, line=number) from error
        except msgspec.DecodeError as error:
            raise DataError(f"broken JSON: {_lower(error)}", path=path, line=number) from error
        yield number, row


def read_json(path: Path, kind: type[T]) -> T:
    """Return the content of a JSON file, checked against ``kind``.

    Raises:
        DataError: It cannot be read or is not of this kind.
    """
    with reading_from(path):
        data = path.read_bytes()
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not the JSON that was expected: {_lower(error)}", path=path) from error


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented.

    Raises:
        DependencyError: The disk is full.
        UserError: The place cannot be written.
    """
    write_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_jsonl(path: Path, rows: Iterable[object]) -> int:
    """Write a JSON lines file atomically and return the number of rows.

    Equal rows give equal bytes. Non-finite numbers become ``null``.

    Raises:
        DependencyError: The disk is full.
        UserError: The suffix is not known or the place cannot be written.
    """
    kind = packing(path)
    num_rows = 0
    with atomic(path) as file, _packed(file, kind) as out:
        for row in rows:
            out.write(_ENCODER.encode(row) + b"\n")
            num_rows += 1
    return num_rows


class JsonlAppender:
    """Adds rows to a JSON lines file so that a killed process costs at most the row being written.

    Opening cuts off a torn end that an earlier writer left: the bytes after the last newline, or a
    Zstandard frame that was not finished. Each row of a plain file reaches the kernel before
    :meth:`append` returns (so it outlives ``kill -9``), and the disk at the latest ``sync_s`` seconds
    later (a power cut loses no more). Rows of a ``.zst`` file are packed into one frame per
    ~256 KiB and reach the kernel with their frame; :meth:`flush` ends the frame early.

    Args:
        path: The file; it is created with its folder if need be. Gzip is not offered: its last member
            cannot be mended cheaply.
        sync_s: Seconds between two syncs; ``0`` syncs after every write.

    Raises:
        DependencyError: The disk is full; what was written before stays whole.
        UserError: The place cannot be written.
    """

    def __init__(self, path: Path, *, sync_s: float = 5.0) -> None:
        self._packing = packing(path)
        if self._packing == "gzip":
            raise UserError(f"{path}: rows cannot be appended to gzip; use .jsonl or .jsonl.zst")
        self.path = path
        self._sync_s = sync_s
        self._waiting = bytearray()
        self._synced_at = time.monotonic()
        make_folder(path.parent)
        with writing_to(path):
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._end = whole_bytes(path)
            os.ftruncate(self._handle, self._end)
            os.lseek(self._handle, self._end, os.SEEK_SET)

    def append(self, *rows: object) -> None:
        """Add rows; all of one call go out in one write."""
        for row in rows:
            self._waiting += _ENCODER.encode(row) + b"\n"
        if self._packing == "plain" or len(self._waiting) >= _FRAME_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what was appended to the kernel."""
        if not self._waiting:
            return
        data = bytes(self._waiting)
        if self._packing == "zstd":
            data = zstandard.ZstdCompressor().compress(data)
        with writing_to(self.path):
            self._write(data)
            if time.monotonic() - self._synced_at >= self._sync_s:
                os.fsync(self._handle)
                self._synced_at = time.monotonic()
        self._waiting.clear()

    def close(self) -> None:
        """Flush, sync and close. Closing twice is harmless."""
        if self._handle < 0:
            return
        try:
            self.flush()
            with writing_to(self.path):
                os.fsync(self._handle)
        finally:
            os.close(self._handle)
            self._handle = -1

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError:
            # A full disk takes half a row; without it the file stays whole for every reader.
            os.ftruncate(self._handle, self._end)
            os.lseek(self._handle, self._end, os.SEEK_SET)
            self._waiting.clear()
            raise
        self._end += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def whole_bytes(path: Path) -> int:
    """Return how many bytes from the start of a plain or Zstandard file hold whole rows."""
    if packing(path) == "zstd":
        return max((end for end, _ in _frames(path)), default=0)
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _CHUNK_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    number, rest = 0, b""
    for chunk in _chunks(path):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            number += 1
            if text := line.removeprefix(_BOM if number == 1 else b"").strip():
                yield number, text
    if text := rest.removeprefix(_BOM if number == 0 else b"").strip():
        yield number + 1, text


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file piece by piece."""
    kind = packing(path)
    with reading_from(path):
        if kind == "gzip":
            yield from _gunzip(path)
        elif kind == "zstd":
            whole = 0
            for whole, data in _frames(path):  # noqa: B007 - the last one tells
                yield data
            if whole != path.stat().st_size:
                raise DataError("not whole Zstandard data; the file is cut off or damaged", path=path)
        else:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk


def _gunzip(path: Path) -> Iterator[bytes]:
    with path.open("rb") as raw:
        if raw.read(2) != _GZIP_MAGIC:
            raise DataError("not gzip data, though its name ends in .gz; rename it or pack it", path=path)
    try:
        with gzip.open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError("gzip data is cut off or damaged; fetch the file again", path=path) from error


def _frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield ``(end, data)``: pieces of unpacked data and the end in the file of the last whole frame.

    Stops at damage or at the end of the file; the caller compares ``end`` with the size of the file.
    """
    unpacker = zstandard.ZstdDecompressor()
    end, read = 0, 0
    frame = unpacker.decompressobj()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            read += len(chunk)
            while chunk:
                try:
                    data = frame.decompress(chunk)
                except zstandard.ZstdError:
                    return
                chunk = b""
                if frame.eof:
                    chunk = frame.unused_data
                    end = read - len(chunk)
                    frame = unpacker.decompressobj()
                yield end, data


def _packed(file: BinaryIO, kind: Packing) -> Any:
    if kind == "gzip":
        # No name and no time in the header, so that equal rows give equal bytes.
        return gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0)
    if kind == "zstd":
        return zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    return _Open(file)


class _Open:
    """A file that a ``with`` block does not close."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _lower(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]
