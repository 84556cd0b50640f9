"""The working folder of a finished compiler as one blob, and back: what a compile cache keeps.

The blob is one marshalled list of ``(name, mode, content)``, parents before children: ``content`` is the
bytes of a file, the target of a link as text, or None for a folder. Other kinds of files are left out.
"""

from __future__ import annotations

import marshal
import os
import stat
from collections.abc import Iterator

_Entry = tuple[str, int, bytes | str | None]
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_VERSION = 4
_DEEPEST = 32


class TooLargeError(ValueError):
    """The folder holds more than is worth keeping."""


def pack(folder: int, out: int, limit: int) -> None:
    """Write the blob of a folder.

    Args:
        folder: The descriptor of the folder.
        out: The descriptor that is written to.
        limit: Most bytes that the files may hold together.

    Raises:
        TooLargeError: The files are larger, or the folders deeper, than that.
        OSError: Something could not be read or written.
    """
    entries: list[_Entry] = []
    for entry in _walk(folder, "", limit, 0):
        if isinstance(entry[2], bytes):
            limit -= len(entry[2])
        if limit < 0:
            raise TooLargeError("the files are larger than the disk limit")
        entries.append(entry)
    data = memoryview(marshal.dumps(entries, _VERSION))
    while data:
        data = data[os.write(out, data) :]


def _walk(folder: int, prefix: str, limit: int, depth: int) -> Iterator[_Entry]:
    if depth > _DEEPEST:
        raise TooLargeError("the folders are too deep")
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found)
    for name in names:
        state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        mode = stat.S_IMODE(state.st_mode) & 0o777
        if stat.S_ISDIR(state.st_mode):
            yield prefix + name, mode, None
            inner = os.open(name, _FOLDER, dir_fd=folder)
            try:
                yield from _walk(inner, f"{prefix}{name}/", limit, depth + 1)
            finally:
                os.close(inner)
        elif stat.S_ISLNK(state.st_mode):
            yield prefix + name, mode, os.readlink(name, dir_fd=folder)
        elif stat.S_ISREG(state.st_mode):
            if state.st_size > limit:
                raise TooLargeError(f"file {name!r} is larger than the disk limit")
            handle = os.open(name, _FILE, dir_fd=folder)
            with open(handle, "rb") as file:
                yield prefix + name, mode, file.read()


def unpack(source: int, folder: str) -> None:
    """Make the files of a blob in ``folder``, which is empty.

    Raises:
        OSError: One could not be made.
    """
    with open(source, "rb", closefd=False) as file:
        entries: list[_Entry] = marshal.load(file)
    for name, mode, content in entries:
        path = f"{folder}/{name}"
        if content is None:
            os.mkdir(path, mode | 0o700)
        elif isinstance(content, str):
            os.symlink(content, path)
        else:
            handle = os.open(path, _NEW, mode)
            try:
                view = memoryview(content)
                while view:
                    view = view[os.write(handle, view) :]
            finally:
                os.close(handle)
