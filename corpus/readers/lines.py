"""Lines of JSON lines files, plain, gzip or Zstandard, in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from corpus.readers.zstd import check_zstd
from opencoder.errors import DataError
from opencoder.files import reading_from
from opencoder.store import packing

_CHUNK_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank.

    Attributes:
        number: From 1 on.
        text: Without white space around it; None if it is longer than the limit.
        num_bytes: Its length.
    """

    number: int
    text: bytes | None
    num_bytes: int


def read_lines(
    path: Path, *, limit: int, first: int = 0, end: int | None = None, before: int = 0
) -> Iterator[Line]:
    """Yield the lines of a file.

    Args:
        path: The file; its suffix tells how it is packed.
        limit: Longer lines (in bytes) are passed over without holding them.
        first: Byte where a line begins; only for plain files.
        end: Byte after the last line.
        before: Lines before ``first``.

    Raises:
        DataError: It cannot be read, is not packed as its name says, is cut off or damaged.
        UserError: The suffix is not known.
    """
    number, size, rest = before, 0, bytearray()
    for chunk in read_chunks(path, first, end):
        *whole, tail = chunk.split(b"\n")
        for piece in whole:
            number, size = number + 1, size + len(piece)
            if size <= limit:
                text = (bytes(rest) + piece if rest else piece).strip()
                text = text.removeprefix(_BOM) if number == 1 else text
                if text:
                    yield Line(number, text, size)
            else:
                yield Line(number, None, size)
            rest.clear()
            size = 0
        size += len(tail)
        if size <= limit:
            rest += tail
        else:
            rest.clear()
    if size > limit:
        yield Line(number + 1, None, size)
    elif text := bytes(rest).removeprefix(_BOM if number == 0 else b"").strip():
        yield Line(number + 1, text, size)


def read_chunks(path: Path, first: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file in pieces of at most 1 MiB.

    Raises:
        DataError: As in :func:`read_lines`.
    """
    kind = packing(path)
    with reading_from(path):
        if kind == "gzip":
            yield from _gunzip(path)
        elif kind == "zstd":
            yield from _unzstd(path)
        else:
            yield from _plain(path, first, end)


def _plain(path: Path, first: int, end: int | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        left = path.stat().st_size - first if end is None else end - first
        while left > 0 and (chunk := file.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk


def _gunzip(path: Path) -> Iterator[bytes]:
    with path.open("rb") as raw:
        if raw.read(2) != b"\x1f\x8b":
            raise DataError("not gzip data, though its name ends in .gz; rename it or pack it", path=path)
    try:
        with gzip.open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError("gzip data is cut off or damaged; fetch the file again", path=path) from error


def _unzstd(path: Path) -> Iterator[bytes]:
    # A reader over frames gives what there is and then stops, also where the data is cut off.
    check_zstd(path)
    try:
        with (
            path.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as file,
        ):
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except zstandard.ZstdError as error:
        raise DataError(f"damaged Zstandard data: {error}; fetch the file again", path=path) from error
