"""Files below a folder: found in the order of their names, opened without following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

Refuse = Callable[[str, str], None]
"""Takes a place that cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file.

    Attributes:
        name: Path relative to the folder, in the bytes of the system.
        checkout: It is no file but a folder with a git checkout.
    """

    name: bytes
    size: int
    mtime_ns: int
    checkout: bool = False


def printable(name: bytes | str) -> str:
    """Return a name of the file system as text: bytes that are not UTF-8 are written with escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def identity(path: Path | None) -> tuple[int, int] | None:
    """Return what tells a folder whatever its name is; None where there is none."""
    try:
        status = None if path is None else path.stat()
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def walk(
    root: Path, refuse: Refuse, *, skip: tuple[int, int] | None = None, git: bool = False
) -> Iterator[Found]:
    """Yield the files below ``root``; links, pipes, sockets, devices and ``.git`` are passed over.

    Args:
        root: The folder.
        refuse: Called for what cannot be read.
        skip: Identity of a folder to pass over.
        git: Yield a folder that holds a git checkout instead of going into it.
    """
    todo = [b""]
    while todo:
        here = todo.pop()
        try:
            with os.scandir(os.path.join(os.fsencode(root), here)) as entries:  # noqa: PTH118 - bytes
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            refuse(printable(os.path.join(os.fsencode(root), here)), error.strerror or "cannot be read")  # noqa: PTH118
            continue
        if git and any(entry.name == b".git" for entry in listed):
            yield Found(here, 0, 0, checkout=True)
            continue
        below = []
        for entry in listed:
            name = here + b"/" + entry.name if here else entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                if entry.name != b".git" and (status.st_dev, status.st_ino) != skip:
                    below.append(name)
            elif stat.S_ISREG(status.st_mode):
                if os.access(entry.path, os.R_OK):
                    yield Found(name, status.st_size, status.st_mtime_ns)
                else:
                    refuse(printable(entry.path), "no permission to read it")
        todo += reversed(below)


class Folder:
    """Opens files below a folder, following no link on the way. Use it as a context manager.

    The folder of the last file stays open, for the files of a shard follow one another.

    Args:
        root: The folder; links on the way to it are followed.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._name, self._folder = b"", self._root

    def status(self, name: bytes) -> os.stat_result | None:
        """Return what is known of a regular file; None if it is another thing or is not there.

        Raises:
            OSError: It cannot be reached.
        """
        try:
            folder, last = self._enter(name)
            status = os.stat(last, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def read(self, name: bytes, most: int) -> tuple[int, bytes]:
        """Return size and content of a file; of one larger than ``most`` bytes no content.

        Raises:
            OSError: It cannot be read, or is no regular file any more.
        """
        folder, last = self._enter(name)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(last, flags, dir_fd=folder)
        with os.fdopen(handle, "rb", buffering=0) as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, "no regular file any more")
            if status.st_size > most:
                return status.st_size, b""
            content = bytearray()
            # A file may grow while it is read, and those of some file systems claim to be empty.
            while len(content) <= most and (piece := file.read(most + 1 - len(content))):
                content += piece
            size = max(status.st_size, len(content))
            return (size, bytes(content)) if len(content) <= most else (size, b"")

    def _enter(self, name: bytes) -> tuple[int, bytes]:
        folder, _, last = name.rpartition(b"/")
        if folder != self._name:
            handle = self._walk(folder.split(b"/")) if folder else self._root
            self._leave()
            self._name, self._folder = folder, handle
        return self._folder, last

    def _walk(self, parts: list[bytes]) -> int:
        if not {b"", b".", b".."}.isdisjoint(parts):
            raise OSError(0, "leads out of its folder")
        handle = self._root
        for part in parts:
            try:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                deeper = os.open(part, flags, dir_fd=handle)
            finally:
                if handle != self._root:
                    os.close(handle)
            handle = deeper
        return handle

    def _leave(self) -> None:
        if self._folder != self._root:
            os.close(self._folder)
        self._name, self._folder = b"", self._root

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        os.close(self._root)
