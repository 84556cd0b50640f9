"""A nursery: a process that does nothing but fork, on the agent's word.

An agent has three of them, started as interpreters of their own. A warm one has loaded what Python programs
import; its forks become those. The others have loaded next to nothing, so that their forks are cheap: those
of one become holders, those of the other commands. (Who has put a child into a PID namespace may have no way
back, and cannot make new ones from there.) What a nursery forks is a child of the agent (``CLONE_PARENT``),
which may kill it and has to wait for it; the nursery only says its pid. It touches few pages between two
forks, for each that it writes to is one the kernel has to copy.
"""

from __future__ import annotations

import json
import marshal
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from . import boundary, entry, holder, kernel, wire

# What comes back over a nursery's socket: one of these, the process by kind and number, and a value.
LOADED = "loaded"  # a text: what could not be loaded ahead
BORN = "born"  # the pid
UNBORN = "unborn"  # a text: why there is no such process
READY = "ready"  # nothing, but the descriptors of ``holder.OPENED``
FAULT = "fault"  # a text: a fault of ours in the process, before any code of a program

# The orders: (JOIN), with namespaces to enter; (HOLDER, number, uid, gid); and (PROGRAM, number, phase,
# limits, capped), with the descriptors of ``entry.Given``.
JOIN = "join"
HOLDER = "holder"
PROGRAM = "program"

MAX_MESSAGE = 1 << 13
MAX_FDS = 32
_MAX_TEXT = 1000


class Nursery:
    """Serves the orders that come over ``agent``, its packet socket."""

    def __init__(self, agent: socket.socket) -> None:
        self._agent = agent

    def serve(self) -> None:
        """Serve until the agent has gone."""
        while True:
            data, fds = wire.receive_fds(self._agent, MAX_MESSAGE, MAX_FDS)
            if not data:
                return
            kind, *rest = marshal.loads(data)
            if kind == HOLDER:
                self._fork_holder(*rest)
            elif kind == PROGRAM:
                self._fork_program(fds, *rest)
            else:
                for fd in fds:
                    kernel.setns(fd, 0)
            for fd in fds:
                os.close(fd)

    def tell(self, what: str, key: tuple[str, int], value: Any, fds: Sequence[int] = ()) -> None:
        """Send one message to the agent.

        Raises:
            OSError: The agent is gone.
        """
        socket.send_fds(self._agent, [marshal.dumps((what, key, value))], fds)

    def _fork_holder(self, number: int, uid: int, gid: int) -> None:
        try:
            pid = boundary.clone_as(uid, gid)
        except OSError as error:
            self.tell(UNBORN, (HOLDER, number), str(error))
            return
        if pid == 0:
            self._become_holder(number, uid, gid)
        self.tell(BORN, (HOLDER, number), pid)

    def _become_holder(self, number: int, uid: int, gid: int) -> NoReturn:
        try:
            opened = holder.set_up(uid, gid)
            self.tell(READY, (HOLDER, number), None, opened)  # fails, as it should, when the agent has gone
            holder.wait()
        except BaseException as error:  # noqa: BLE001  (told to the agent: a fault of ours)
            self._tell_fault((HOLDER, number), error)
        finally:
            os._exit(1)

    def _fork_program(
        self, fds: list[int], number: int, phase: str, limits: dict[str, Any], capped: bool
    ) -> None:
        given = entry.Given(fds, phase, limits, capped=capped)
        try:
            kernel.setns(given.pid_namespace, kernel.CLONE_NEWPID)
            pid = kernel.clone(kernel.CLONE_PARENT)
            if pid == 0:
                self._become_program(number, given)
        except OSError as error:
            self.tell(UNBORN, (PROGRAM, number), str(error))
        else:
            self.tell(BORN, (PROGRAM, number), pid)

    def _become_program(self, number: int, given: entry.Given) -> NoReturn:
        code = 127
        try:
            job = entry.enter(given)
        except BaseException as error:  # noqa: BLE001  (told to the agent: a fault of ours)
            self._tell_fault((PROGRAM, number), error)
            os._exit(code)
        try:
            code = entry.run(job, given)
        except OSError as error:
            os.write(2, f"cannot start: {error}\n".encode())
        finally:
            os._exit(code)

    def _tell_fault(self, key: tuple[str, int], error: BaseException) -> None:
        try:
            self.tell(FAULT, key, f"{type(error).__name__}: {error}"[:_MAX_TEXT])
        except OSError:
            pass  # nobody is left to be told


def load(packages: str) -> str:
    """Load what programs import, and show them the folder ``packages`` besides; returns what was left out."""
    from . import preload, warm

    guard = sys.path[0]
    sys.path.append(packages)
    warm.preload()
    left_out = preload.preload()
    sys.path.remove(guard)
    sys.path_importer_cache.pop(packages, None)  # on a host, it is seen behind the boundary only
    return left_out


def main() -> None:
    """Entry point: one JSON argument (see :func:`spawner.start`)."""
    config = json.loads(sys.argv[1])
    kernel.die_with_parent(signal.SIGKILL)
    kernel.set_dumpable(False)
    # The kernel drops signals to a PID 1 that have no handler; Python's own for SIGINT would be one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0o022)
    if os.geteuid() == 0:
        os.setgroups([])
    nursery = Nursery(socket.socket(fileno=config["socket"]))
    nursery.tell(LOADED, ("nursery", 0), load(config["packages"]) if config["warm"] else "")
    if config["warm"]:
        from . import warm

        warm.settle()
    try:
        nursery.serve()
    except BrokenPipeError:
        pass  # the agent has gone
