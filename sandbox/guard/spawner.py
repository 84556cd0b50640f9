"""The agent's side of its nurseries: it orders holders and programs, and learns what becomes of them."""

from __future__ import annotations

import json
import marshal
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from . import boundary, entry, wire
from .nursery import BORN, HOLDER, JOIN, MAX_FDS, MAX_MESSAGE, PROGRAM, READY, UNBORN

ENDED = "ended"
"""What a spawner says of a process that has ended, with ``(wait status, CPU seconds)``."""
LACKING = "lacking"
"""What it says when no holder can be made, with the reason."""
Key = tuple[str, int]
"""A process: ``HOLDER`` or ``PROGRAM``, or a name of the agent's own, and a number."""
Event = tuple[str, Key, Any]
"""``nursery.FAULT`` or ``UNBORN`` with a text, :data:`ENDED` or :data:`LACKING`, and whom it is about."""

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BOOT = "import sys; sys.path.insert(0, {root!r}); from guard.nursery import main; main()"
_NAMESPACES = len(entry.NAMESPACES)
_PROBE_KEY = (PROGRAM, 0)
_PROBE_LIMITS = {"disk_mb": 1, "inodes": 64}
_PROBE_WAIT_MS = 5


class Holder:
    """A holder that has been ordered; ``opened`` (see ``holder.OPENED``) comes in when it is ready."""

    __slots__ = ("born", "key", "opened")

    def __init__(self, number: int) -> None:
        self.key: Key = (HOLDER, number)
        self.born = False
        self.opened: list[int] = []

    def take_home(self) -> int:
        """Return the descriptor of the program's file system, which the caller closes; the rest is closed."""
        home, *others = self.opened
        for fd in others:
            os.close(fd)
        self.opened = []
        return home


class Spawner:
    """The nurseries, what they have forked, and the holders that no program has yet.

    Args:
        packages: A folder that Python programs import from, beside the standard library.
        arguments: More arguments for the warm nursery (see ``preload``).
    """

    def __init__(self, packages: str, arguments: Sequence[str] = ()) -> None:
        self._uids = boundary.uid_range()
        self._holders = _start({"warm": False, "packages": packages})
        self._commands = _start({"warm": False, "packages": packages})
        self._warm = _start({"warm": True, "packages": packages}, arguments)
        self._all = (self._holders, self._commands, self._warm)
        self._free: dict[Key, Holder] = {}
        self._ready: deque[Holder] = deque()
        self._number = 0
        self._keys: dict[int, Key] = {}  # by pid
        self._pids: dict[Key, int] = {}
        self._early: dict[int, tuple[int, float]] = {}  # ended before their birth was heard of

    def filenos(self) -> list[int]:
        """Return the descriptors to poll for messages."""
        return [nursery.fileno() for nursery in self._all]

    def join(self, kinds: Sequence[str]) -> str:
        """Take the nurseries into namespaces of this process; returns what could not be loaded ahead.

        Raises:
            OSError: One has ended.
        """
        left_out = ""
        for nursery in self._all:
            if message := _receive(nursery):  # the first, that it has loaded what it should
                left_out = left_out or str(message[2])
            fds = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in kinds]
            _send(nursery, (JOIN,), fds)
            for fd in fds:
                os.close(fd)
        return left_out

    def refill(self, num: int) -> None:
        """Order holders until ``num`` are free or under way."""
        while len(self._free) < num:
            self._number += 1
            uid = self._uids[self._number % len(self._uids)] if self._uids else os.geteuid()
            gid = uid if self._uids else os.getegid()
            made = Holder(self._number)
            self._free[made.key] = made
            _send(self._holders, (HOLDER, self._number, uid, gid), [])

    def take(self) -> Holder | None:
        """Return a holder for a program; None when none is ready."""
        if not self._ready:
            return None
        made = self._ready.popleft()
        del self._free[made.key]
        return made

    def launch(
        self,
        made: Holder,
        number: int,
        phase: str,
        limits: dict[str, Any],
        *,
        job: Sequence[int] = (),
        groups: Sequence[int] = (),
        capped: bool,
        warm: bool,
    ) -> None:
        """Order program ``number``, which goes into a holder's namespaces.

        Args:
            made: The holder.
            number: The number of the program.
            phase: The phase of the job.
            limits: The limits of that phase.
            job: The descriptors of ``entry.JOB``.
            groups: One ``cgroup.procs`` of its group for each hierarchy.
            capped: Whether that group caps memory and processes.
            warm: Whether it is to run in the interpreter that it is forked from.
        """
        order = (PROGRAM, number, phase, limits, capped)
        fds = [*made.opened[-_NAMESPACES:], *job, *groups]
        _send(self._warm if warm else self._commands, order, fds)

    def watch(self, pid: int, key: Key) -> None:
        """Tell of the end of a process that the agent has forked itself, too."""
        self._keys[pid], self._pids[key] = key, pid

    def pids(self, keys: Sequence[Key]) -> list[int]:
        """Return the pids of those processes that are there."""
        return [self._pids[key] for key in keys if key in self._pids]

    def kill(self, key: Key) -> None:
        """Kill a process, unless it has ended or is not born yet."""
        if key in self._pids:
            os.kill(self._pids[key], signal.SIGKILL)

    def events(self) -> list[Event]:
        """Return all that has been said and who has ended; what is about free holders is taken in.

        Raises:
            OSError: A nursery has ended: nothing can be started any more.
        """
        # What a process has said it said before it ended, so that is read after its end was seen.
        ends = list(_reap())
        out: list[Event] = []
        for nursery in self._all:
            while (message := _receive(nursery, socket.MSG_DONTWAIT)) is not None:
                self._take_in(out, *message)
        for pid, status, cpu_s in ends:
            if pid in self._keys:
                self._end(out, pid, (status, cpu_s))
            else:
                self._early[pid] = (status, cpu_s)
        return out

    def _take_in(self, out: list[Event], kind: str, key: Key, value: Any, fds: list[int]) -> None:
        made = self._free.get(key)
        if kind == BORN:
            self.watch(value, key)
            if made:
                made.born = True
            if value in self._early:
                self._end(out, value, self._early.pop(value))
        elif kind == READY and made:
            made.opened = fds
        else:
            out.append((LACKING if made else kind, key, value))
            if made and kind == UNBORN:
                del self._free[key]
        if made and made.born and made.opened and made not in self._ready:
            self._ready.append(made)

    def _end(self, out: list[Event], pid: int, end: tuple[int, float]) -> None:
        key = self._keys.pop(pid)
        del self._pids[key]
        if made := self._free.pop(key, None):
            if made in self._ready:
                self._ready.remove(made)
            for fd in made.opened:
                os.close(fd)
        else:
            out.append((ENDED, key, end))

    def prove(self) -> None:
        """Make a boundary, put a process into it and seal it, before the first program is.

        Raises:
            OSError: That cannot be done here; the message names the step.
        """
        self.refill(1)
        while (made := self.take()) is None:
            self._await_good()
        self.launch(made, _PROBE_KEY[1], entry.PROBE, _PROBE_LIMITS, capped=True, warm=True)
        ended: dict[Key, Any] = {}
        while _PROBE_KEY not in ended:
            ended.update((key, value) for _, key, value in self._await_good())
        if ended[_PROBE_KEY][0] != 0:
            raise OSError(f"a process behind a boundary ended with wait status {ended[_PROBE_KEY][0]}")
        self.kill(made.key)
        while not self._await_good():
            pass
        os.close(made.take_home())

    def _await_good(self) -> list[Event]:
        """Return the next events.

        Raises:
            OSError: One of them is a fault.
        """
        poller = select.poll()
        for fd in self.filenos():
            poller.register(fd, select.POLLIN)
        poller.poll(_PROBE_WAIT_MS)
        events = self.events()
        for kind, _, value in events:
            if kind != ENDED:
                raise OSError(value)
        return events

    def end(self) -> None:
        """Kill all that has been forked, and wait for it."""
        for nursery in self._all:
            nursery.close()
        while self._pids:
            for pid in self._keys:
                os.kill(pid, signal.SIGKILL)
            pid, _ = os.waitpid(-1, 0)
            if key := self._keys.pop(pid, None):
                del self._pids[key]


def _reap() -> Iterator[tuple[int, int, float]]:
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return  # the nurseries' sockets tell of their end
        if pid == 0:
            return
        yield pid, status, used.ru_utime + used.ru_stime


def _start(config: dict[str, Any], arguments: Sequence[str] = ()) -> socket.socket:
    """Start a nursery as an interpreter of its own; returns the packet socket to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.set_inheritable(theirs.fileno(), True)
    words = ["-I", "-S", "-c", _BOOT.format(root=_ROOT), json.dumps({**config, "socket": theirs.fileno()})]
    os.posix_spawn(sys.executable, [sys.executable, *words, *arguments], os.environ)
    theirs.close()
    return ours


def _send(nursery: socket.socket, order: tuple[Any, ...], fds: Sequence[int]) -> None:
    socket.send_fds(nursery, [marshal.dumps(order)], fds)


def _receive(nursery: socket.socket, flags: int = 0) -> tuple[str, Key, Any, list[int]] | None:
    """Return the next message with its descriptors; None when there is none yet.

    Raises:
        OSError: The nursery has ended.
    """
    try:
        data, fds = wire.receive_fds(nursery, MAX_MESSAGE, MAX_FDS, flags)
    except BlockingIOError:
        return None
    if not data:
        raise OSError("the interpreter that programs are forked from has ended")
    kind, key, value = marshal.loads(data)
    return kind, key, value, fds
