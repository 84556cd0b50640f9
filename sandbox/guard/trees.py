"""Folders that somebody else has filled: how to remove them, whatever is in there."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator


def remove_tree(path: str | os.PathLike[str]) -> bool:
    """Remove a folder and all below it, however deep, following no link; False when something stays.

    Folders found on the way are moved up to the top one first, so neither the depth of the tree nor the
    length of a path in it has a limit.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    names = (f".removed-{number}" for number in itertools.count())
    try:
        top = os.open(path, flags)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        folders: list[str] = []
        _flatten(top, top, names, folders)
        while folders:
            name = folders.pop()
            os.chmod(name, 0o700, dir_fd=top)
            inner = os.open(name, flags, dir_fd=top)
            try:
                _flatten(inner, top, names, folders)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)
        os.rmdir(path)
    except OSError:
        return False
    finally:
        os.close(top)
    return True


def _flatten(folder: int, top: int, names: Iterator[str], folders: list[str]) -> None:
    """Empty ``folder``: unlink files, move folders to ``top`` under fresh names, added to ``folders``."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
            continue
        os.chmod(name, 0o700, dir_fd=folder)
        fresh = next(names)
        while _exists(top, fresh):
            fresh = next(names)
        os.rename(name, fresh, src_dir_fd=folder, dst_dir_fd=top)
        folders.append(fresh)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
