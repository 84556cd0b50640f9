"""Files as the operating system sees them: whole writes, one-line errors, hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from opencoder.errors import DataError, DependencyError, OpenCoderError, UserError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_CHUNK_BYTES = 4 << 20
_NOT_A_FOLDER = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


def write_error(path: Path, error: OSError) -> OpenCoderError:
    """Say in one line why ``path`` could not be written.

    Returns:
        ``DependencyError`` for a full disk (what was finished is kept), ``UserError`` for a place that
        cannot be written, for others too: the system's own words with the path.
    """
    folder = path if path.is_dir() else path.parent
    if error.errno in _FULL:
        repair = f"df -h {folder}  # free some space, then the same command again"
        return DependencyError(f"disk is full: cannot write {path}", repair=repair)
    if error.errno in _REFUSED:
        why = (error.strerror or "refused").lower()
        return UserError(f"cannot write to the folder {folder}: {why}; choose another one with -o")
    if error.errno in _NOT_A_FOLDER:
        return UserError(
            f"cannot write {path}: {error.filename or path} is in the way; choose another place with -o"
        )
    return UserError(f"cannot write {path}: {error.strerror or error}")


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block, which writes ``path``, into one of our errors.

    Raises:
        DependencyError: The disk is full.
        UserError: The place cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


@contextlib.contextmanager
def reading_from(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block, which reads ``path``, into a ``DataError``."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError("no such file; check the path", path=path) from error
    except IsADirectoryError as error:
        raise DataError("is a folder, not a file", path=path) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path=path) from error


def make_folder(path: Path) -> Path:
    """Create a folder with its parents, if it is not there yet, and return it.

    Raises:
        UserError: It cannot be created.
    """
    with writing_to(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when the block has ended well.

    The bytes go to a temporary file in the same folder (a rename does not cross file systems), are
    synced, and then take the name; a reader sees the old file or the new one, also after a power cut.
    An error in the block leaves the old file as it was and no temporary file behind.

    Raises:
        DependencyError: The disk is full.
        UserError: The place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with writing_to(path):
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        # A read-only folder refuses the removal of what never came to be.
        with contextlib.suppress(OSError):
            temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (a new file is else lost with its folder entry)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically (see :func:`atomic`)."""
    with atomic(path) as file:
        file.write(data)


def crc32_file(path: Path) -> int:
    """Return the CRC-32 of the bytes of a file.

    Raises:
        DataError: It cannot be read.
    """
    value = 0
    with reading_from(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            value = zlib.crc32(chunk, value)
    return value


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of the bytes of a file.

    Raises:
        DataError: It cannot be read.
    """
    with reading_from(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
