"""User ids for programs that have no user namespace: one each, so that the kernel keeps them apart.

The ids come in blocks, and a block belongs to whoever has bound a socket of its name: the kernel frees it
with the process, and programs have no sockets to take one with.
"""

from __future__ import annotations

import os
import random
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from . import boundary, trees

_BLOCK = 256
_LOCK = "\0opencoder-uids-{base}"
# Where everybody may write; what a program leaves there goes with it.
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")


class Users:
    """User ids of this process's own.

    Args:
        needed: Folders that a process of such a user must be able to enter.

    Raises:
        OSError: This process may not change its user, a folder is closed to it, or every block is taken.
    """

    def __init__(self, needed: Iterable[str] = ()) -> None:
        self._lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        base = self._take_block()
        self._killer = base
        self._free = deque(range(base + 1, base + _BLOCK))
        try:
            _prove(self._killer, needed)
        except OSError:
            self._lock.close()
            raise

    def _take_block(self) -> int:
        ids = boundary.uid_range()
        bases = list(range(ids.start, ids.stop - _BLOCK + 1, _BLOCK)) if ids else []
        random.SystemRandom().shuffle(bases)
        for base in bases:
            try:
                self._lock.bind(_LOCK.format(base=base))
            except OSError:
                continue
            return base
        raise OSError("no user ids of its own for each program")

    def take(self) -> int:
        """Return an id that no program has.

        Raises:
            OSError: All are in use.
        """
        if not self._free:
            raise OSError(f"more than {_BLOCK - 1} programs at once")
        return self._free.popleft()

    def give_back(self, uid: int) -> None:
        """Take back the id of a program of which nothing is left."""
        self._free.append(uid)

    def kill_all(self, uid: int) -> None:
        """Kill every process of the user ``uid``, however fast they fork."""
        _in_child(lambda: _kill_as(uid, self._killer))


def become(uid: int) -> None:
    """Become the user ``uid`` for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


@contextmanager
def acting_as(uid: int | None) -> Iterator[None]:
    """Do something with the rights of user ``uid`` in place of root's; with None, just do it."""
    if uid is None:
        yield
        return
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def sweep(uid: int) -> None:
    """Remove what user ``uid`` left where everybody may write."""
    for folder in SHARED:
        try:
            with os.scandir(folder) as entries:
                found = [entry for entry in entries if entry.stat(follow_symlinks=False).st_uid == uid]
        except OSError:
            continue
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                trees.remove_tree(entry.path)
            else:
                try:
                    os.unlink(entry.path)
                except OSError:
                    pass


def _kill_as(uid: int, killer: int) -> None:
    """Signal all that user ``uid`` runs.

    The effective id is what makes the kernel pick them. Real and saved id are nobody's, so that none of them
    can stop this process first. With an id of root among the three the signal would reach the machine.
    """
    os.setgroups([])
    os.setresuid(killer, uid, killer)
    if 0 in os.getresuid() or killer == uid:
        raise OSError("still root")
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _prove(uid: int, needed: Iterable[str]) -> None:
    """Try, in a child, all that taking a user needs."""

    def enter(folder: str) -> None:
        become(uid)
        os.stat(f"{folder}/.")

    if _in_child(lambda: become(uid)):
        raise OSError("this process may not change its user")
    for folder in needed:
        if _in_child(lambda folder=folder: enter(folder)):  # type: ignore[misc]
            raise OSError(f"{folder} is closed to other users")
    with open("/proc/self/status", encoding="ascii") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    chown, kill = effective & 1, effective & 1 << 5
    if not (chown and kill):
        raise OSError("this process lacks CAP_CHOWN or CAP_KILL")


def _in_child(body: Callable[[], None]) -> bool:
    """Run ``body`` in a child; True when it failed."""
    pid = os.fork()
    if pid == 0:
        _run_and_leave(body)
    _, status = os.waitpid(pid, 0)
    return status != 0


def _run_and_leave(body: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        body()
        code = 0
    except OSError:
        pass
    finally:
        os._exit(code)
