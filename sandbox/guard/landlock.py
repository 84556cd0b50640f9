"""Landlock: access to files, abstract sockets and signals that a process and its children give up.

Needs no right. Which of it there is depends on the kernel (``landlock(7)``): files since 5.13, signals and
abstract sockets since 6.12; many kernels have none.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST_RIGHTS = (1 << 13) - 1
# Rights that later versions brought: REFER (2), TRUNCATE (3), IOCTL_DEV (5).
_LATER_RIGHTS = ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
_ALL = (1 << 16) - 1

READ = _EXECUTE | _READ_FILE | _READ_DIR
"""To read, list and execute."""
WRITE = _ALL
"""To do anything."""
LEAVE = _ALL & ~_READ_DIR
"""To do anything but see what else is there."""

SCOPED_VERSION = 6
_SCOPES = 1 << 0 | 1 << 1  # abstract sockets, signals

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def version() -> int:
    """Return the kernel's version of Landlock, 0 where there is none."""
    return max(int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)), 0)


def handled_rights(abi: int) -> int:
    """Return the file rights that version ``abi`` knows."""
    return _FIRST_RIGHTS | sum(right for since, right in _LATER_RIGHTS if abi >= since)


def ruleset(abi: int) -> bytes:
    """Return ``struct landlock_ruleset_attr`` for version ``abi``: no network field is used."""
    if abi >= SCOPED_VERSION:
        return struct.pack("<QQQ", handled_rights(abi), 0, _SCOPES)
    return struct.pack("<Q", handled_rights(abi))


def rule(path_mode: int, fd: int, rights: int, abi: int) -> bytes:
    """Return ``struct landlock_path_beneath_attr`` for what ``fd`` is, a file or a folder by its mode."""
    rights &= handled_rights(abi)
    if not stat.S_ISDIR(path_mode):
        rights &= _OF_FILES
    return struct.pack("<Qi", rights, fd)


def restrict(abi: int, paths: Iterable[tuple[str, int]]) -> None:
    """Leave this process the named folders and files only; paths that do not exist are passed over.

    New privileges must have been forbidden before.

    Args:
        abi: What :func:`version` returned.
        paths: Each with the rights on it and all below: :data:`READ`, :data:`WRITE` or :data:`LEAVE`.

    Raises:
        OSError: The kernel refuses.
    """
    attributes = ruleset(abi)
    handle = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for path, rights in paths:
            _add(handle, path, rights, abi)
        _call(_RESTRICT_SELF, handle, 0)
    finally:
        os.close(handle)


def _add(handle: int, path: str, rights: int, abi: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        attributes = rule(os.fstat(fd).st_mode, fd, rights, abi)
        _call(_ADD_RULE, handle, _RULE_PATH_BENEATH, attributes, 0)
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    value = int(_libc.syscall(number, *arguments))
    if value == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return value
