"""The warden: PID 1 of one program's namespaces. It starts the program, holds its limits and reports.

It shares the program's user id but keeps the capabilities of the namespace, so that the program can neither
trace nor read it, and the kernel drops signals from inside the namespace to PID 1.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from . import wire
from .files import disk_full, read_file

_MAX_WAIT_S = 0.5
_MIN_WAIT_S = 0.02
_CPUS = os.cpu_count() or 1


class Link(Protocol):
    """The warden's way to the supervisor and back."""

    def fileno(self) -> int:
        """The descriptor to poll for commands."""
        ...

    def commands(self) -> list[bytes]:
        """Return what has come in; ``wire.KILL`` when the supervisor is gone."""
        ...

    def send(self, data: bytes) -> None:
        """Send frames."""


class Relay(Protocol):
    """Streams that the warden carries for the program while it runs."""

    def interest(self) -> dict[int, int]:
        """Return the descriptors to poll, each with the events awaited."""
        ...

    def serve(self, ready: dict[int, int]) -> str:
        """Move bytes; returns why the program must end, or ''."""
        ...


class Watch(Protocol):
    """Caps that somebody has to look after."""

    next_s: float

    def look(self) -> str:
        """Return the cap that is reached, or ''; ``next_s`` tells when to look again."""
        ...

    def disk_full(self) -> bool:
        """Tell whether the program's files take more than they may."""
        ...


@dataclass
class Ending:
    """How a phase (compile, run) ended. ``reason`` names the limit that ended it."""

    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    wall_s: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the next phase may start."""
        return self.exit_code == 0 and not self.reason


@dataclass
class Warden:
    """Runs one job.

    Args:
        job: The job (see ``sandbox.jobs``).
        link: The supervisor.
        cpu_s: The CPU clock of the program's processes.
        kill_all: Kills every process of the program.
        start: Forks the program for a phase and returns its pid.
        relay: The program's streams, where they go through the warden.
        watch: Holds the caps that no kernel object does.
        rights: Entered to read what the program has left.
        measure: What else the report says, asked when everything has ended.
    """

    job: dict[str, Any]
    link: Link
    cpu_s: Callable[[], float]
    kill_all: Callable[[], None]
    start: Callable[[str], int]
    relay: Relay | None = None
    watch: Watch | None = None
    rights: Callable[[], AbstractContextManager[object]] = nullcontext
    measure: Callable[[], dict[str, Any]] = dict

    def run(self) -> None:
        """Run all phases and send the result."""
        limits = self.job["limits"]
        phase = "compile" if self.job["compile"] else "run"
        ending = Ending()
        if phase == "compile":
            ending = self._phase(phase, float(limits["compile_wall_s"]), None)
            if ending.good:
                phase = "run"
        if phase == "run":
            ending = self._phase(phase, float(limits["wall_s"]), limits.get("cpu_s"))
        home = self.job["home"]
        with self.rights():
            for name in self.job["fetch"]:
                header = len(name.encode()).to_bytes(4, "little") + name.encode()
                for part in read_file(f"{home}/work", name, int(limits["result_bytes"])):
                    self.link.send(wire.frame(wire.FILE, header + part))
        report = {
            "phase": phase,
            "exit_code": ending.exit_code,
            "signal": ending.signal,
            "reason": ending.reason,
            "wall_s": ending.wall_s,
            "disk_full": disk_full(home),
            **self.measure(),
        }
        self.link.send(wire.frame(wire.RESULT, json.dumps(report).encode()))

    def _phase(self, phase: str, wall_s: float, cpu_limit: float | None) -> Ending:
        began = time.monotonic()
        pid = self.start(phase)
        ending = Ending()
        pidfd = os.pidfd_open(pid)
        try:
            while True:
                wait = began + wall_s - time.monotonic()
                if cpu_limit is not None:
                    left = cpu_limit - self.cpu_s()
                    if left <= 0:
                        ending.reason = "cpu"
                        break
                    wait = min(wait, max(left / _CPUS, _MIN_WAIT_S))
                if wait <= 0:
                    ending.reason = "wall"
                    break
                if self.watch is not None:
                    ending.reason = self.watch.look()
                    if ending.reason:
                        break
                    wait = min(wait, self.watch.next_s)
                ready = self._poll(pidfd, min(wait, _MAX_WAIT_S))
                self._answer(ready, ending)
                if ending.reason or pidfd in ready:
                    break
        finally:
            os.close(pidfd)
        if ending.reason:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        ending.wall_s = time.monotonic() - began
        if os.WIFSIGNALED(status):
            ending.signal = os.WTERMSIG(status)
        else:
            ending.exit_code = os.WEXITSTATUS(status)
        self.kill_all()
        if self.watch is not None and not ending.reason and self.watch.disk_full():
            ending.reason = "disk"  # it was quicker than the watcher
        return ending

    def _poll(self, pidfd: int, wait_s: float) -> dict[int, int]:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.register(self.link.fileno(), select.POLLIN)
        if self.relay is not None:
            for fd, events in self.relay.interest().items():
                poller.register(fd, events)
        return dict(poller.poll(max(1, int(wait_s * 1000))))

    def _answer(self, ready: dict[int, int], ending: Ending) -> None:
        """Serve the supervisor and the relayed streams."""
        if self.relay is not None:
            ending.reason = self.relay.serve(ready)
        if self.link.fileno() in ready:
            for command in self.link.commands():
                if command == wire.KILL:
                    ending.reason = "killed"
                elif command == wire.ASK_USAGE:
                    self.link.send(wire.frame(wire.USAGE, repr(self.cpu_s()).encode()))


def reap_namespace() -> None:
    """Kill everything in the namespace of this PID 1 and wait until it is gone.

    Raises:
        RuntimeError: This process is not PID 1: the signal would reach every process of the machine.
    """
    if os.getpid() != 1:
        raise RuntimeError("not PID 1 of a namespace")
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
