"""The files of a job: how they get into its working folder, and what of them is read in the end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from . import wire


def disk_full(folder: str) -> bool:
    """Tell whether the file system mounted on ``folder`` is out of blocks or inodes.

    A folder of a larger file system, which others fill too, says nothing of the program.
    """
    return os.path.ismount(folder) and is_full(folder)


def is_full(where: str | int) -> bool:
    """Tell whether a file system, given by a path or a descriptor in it, is out of blocks or inodes."""
    state = os.statvfs(where)
    return state.f_bfree == 0 or (state.f_files > 0 and state.f_ffree == 0)


def read_file(folder: str, name: str, limit: int, *, parent: int | None = None) -> Iterator[bytes]:
    """Read a regular file below ``folder`` in parts, following no link; no part if there is none such.

    An empty file gives one empty part. At most ``limit`` bytes are read, whatever the file claims to hold (it
    may be sparse). ``parent`` is a descriptor of the folder that holds ``folder``, if that is no path.
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return
    opened: list[int] = []
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        opened.append(os.open(folder, flags, dir_fd=parent))
        for part in parts[:-1]:
            opened.append(os.open(part, flags, dir_fd=opened[-1]))
        # O_NONBLOCK: opening a pipe that nobody writes to must not block.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        opened.append(os.open(parts[-1], flags, dir_fd=opened[-1]))
        if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
            return
        data = os.read(opened[-1], min(limit, wire.PART))
        yield data
        while (
            data and (limit := limit - len(data)) > 0 and (data := os.read(opened[-1], min(limit, wire.PART)))
        ):
            yield data
    except OSError:
        return
    finally:
        for fd in opened:
            os.close(fd)


def write_files(folder: str, files: dict[str, bytes]) -> None:
    """Write the job's files below ``folder``.

    Raises:
        ValueError: A name leaves the folder.
    """
    for name, data in files.items():
        parts = name.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"file name {name!r} leaves the working folder")
        path = f"{folder}/{name}"
        if len(parts) > 1:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
