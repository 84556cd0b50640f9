"""Whether a Zstandard file is whole, told without unpacking it.

Each block of a frame says how long it is (RFC 8878, section 3.1.1), so a walk over the block headers reads
three bytes in 128 KiB and finds every cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from opencoder.errors import DataError
from opencoder.files import reading_from

_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SIZE_BYTES = (0, 2, 4, 8)
_DAMAGED = "damaged Zstandard data"
_REPEAT, _RESERVED = 1, 3


def check_zstd(path: Path) -> None:
    """Walk over the frames of a file.

    Raises:
        DataError: It is no Zstandard file, is cut off, or cannot be read.
    """
    with reading_from(path), path.open("rb") as file:
        size = path.stat().st_size
        try:
            while file.tell() < size:
                _frame(file, size)
        except ValueError as error:
            raise DataError(f"{error}; fetch the file again", path=path) from None


def _frame(file: BinaryIO, size: int) -> None:
    first = file.tell() == 0
    magic = _number(file, 4)
    if magic & ~0xF == _SKIPPABLE:
        _skip(file, _number(file, 4), size)
        return
    if magic != _MAGIC:
        raise ValueError(
            "not Zstandard data, though its name ends in .zst" if first else "damaged Zstandard data"
        )
    flags = _number(file, 1)
    single = flags >> 5 & 1
    sizes = _SIZE_BYTES[flags >> 6] or single
    _skip(file, (1 - single) + _DICTIONARY_BYTES[flags & 3] + sizes, size)
    last = 0
    while not last:
        header = _number(file, 3)
        last, kind = header & 1, header >> 1 & 3
        if kind == _RESERVED:
            raise ValueError(_DAMAGED)
        _skip(file, 1 if kind == _REPEAT else header >> 3, size)
    _skip(file, 4 if flags >> 2 & 1 else 0, size)


def _number(file: BinaryIO, num_bytes: int) -> int:
    data = file.read(num_bytes)
    if len(data) != num_bytes:
        raise ValueError("Zstandard data is cut off")
    return int.from_bytes(data, "little")


def _skip(file: BinaryIO, num_bytes: int, size: int) -> None:
    if file.seek(num_bytes, 1) > size:
        raise ValueError("Zstandard data is cut off")
