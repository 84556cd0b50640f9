"""The programs that an agent holds: their clocks, their way to the supervisor, and the files they leave."""

from __future__ import annotations

import marshal
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import artefact, wire
from .cgroups import Group
from .files import is_full, read_file
from .spawner import Holder

# The descriptors that come with a job, in this order.
FDS: tuple[str, ...] = ("job", "payload", "stdin", "stdout", "stderr", "status", "channel")
_CPUS = os.cpu_count() or 1
_MIN_WAIT_S = 0.02
_MAX_WAIT_S = 0.5


class StatusLink:
    """The agent's end of the status socket of one job."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._frames = wire.Frames()

    def fileno(self) -> int:
        """Return the descriptor to poll for commands."""
        return self._socket.fileno()

    def commands(self) -> list[bytes]:
        """Return what has come in; ``wire.KILL`` when the supervisor is gone."""
        try:
            data = self._socket.recv(4096)
        except OSError:
            data = b""
        return [kind for kind, _ in self._frames.feed(data)] if data else [wire.KILL]

    def send(self, data: bytes) -> None:
        """Send frames."""
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # the supervisor is gone; the next read says so

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@dataclass(kw_only=True, slots=True)
class Job:
    """One program that waits for a holder, runs, or whose files are being fetched.

    Args:
        id: The supervisor's number for it.
        phase: ``compile`` or ``run``.
        limits: The limits of that phase.
        warm: Whether it runs in the interpreter that it is forked from.
        fds: The descriptors of ``entry.JOB``, until it is started.
        link: The way to the supervisor.
        group: Where it is counted.
        source: The job itself, if there is anything to fetch.
        packed: Where a compiler's work goes.
        home: The folder of its writable file system, once it has ended.
        holder: The holder, from its start on.
        status: Its wait status, once it has ended.
        held: Whether its holder is still there.
        unborn: Whether it could not be forked.
        stopped: Whether it was made to end.
        reason: The limit that ended it, or ``killed``.
        fault: What went wrong that is none of its doing.
    """

    id: int
    phase: str
    limits: dict[str, Any]
    warm: bool
    fds: list[int]
    link: StatusLink
    group: Group | None
    source: int = -1
    packed: int = -1
    home: int = -1
    holder: Holder | None = None
    began: float = 0.0
    look_at: float = 0.0
    rusage_s: float = 0.0
    status: int | None = None
    held: bool = True
    unborn: bool = False
    stopped: bool = False
    reason: str = ""
    fault: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)

    def close_fds(self) -> None:
        """Let go of the descriptors that its process has by now, so that their other ends see its end."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def close(self) -> None:
        """Close all that is still open."""
        self.close_fds()
        self.link.close()
        for fd in (self.home, self.source, self.packed):
            if fd >= 0:
                os.close(fd)

    def look(self, now: float, used_s: Callable[[Job], float]) -> None:
        """Hold the limits of one that runs: set ``reason`` when one is reached, and when to look again."""
        left = self.began + float(self.limits["wall_s"]) - now
        limit = self.limits.get("cpu_s")
        if left <= 0:
            self.reason = self.reason or "wall"
        elif limit is not None:
            cpu = limit - used_s(self)
            if cpu <= 0:
                self.reason = self.reason or "cpu"
            left = min(left, max(cpu / _CPUS, _MIN_WAIT_S))
        self.look_at = now + max(min(left, _MAX_WAIT_S), _MIN_WAIT_S)


def report_of(job: Job, wall_s: float) -> dict[str, Any]:
    """Return what became of a program, once nothing is left of it."""
    report: dict[str, Any] = {
        "phase": job.phase,
        "exit_code": None,
        "signal": None,
        "reason": job.reason,
        "wall_s": wall_s,
        "disk_full": job.home >= 0 and is_full(job.home),
    }
    ended_by_us = job.stopped and job.status == signal.SIGKILL
    if job.status is None or ended_by_us:
        report["signal"] = int(signal.SIGKILL)
        return report
    # It ended by itself, though the order to kill it may have been under way.
    report["reason"] = job.reason if job.reason != "killed" else ""
    if os.WIFSIGNALED(job.status):
        report["signal"] = os.WTERMSIG(job.status)
    else:
        report["exit_code"] = os.WEXITSTATUS(job.status)
    return report


def pack_work(job: Job) -> None:
    """Put what a compiler has left into the job's file."""
    limits = _read_job(job)["limits"]
    work = os.open("work", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=job.home)
    artefact.pack(work, job.packed, int(limits["disk_mb"]) << 20)


def send_files(job: Job) -> None:
    """Send the files that the job wants back."""
    wanted = _read_job(job)
    limit = int(wanted["limits"]["result_bytes"])
    for name in wanted["fetch"]:
        header = len(name.encode()).to_bytes(4, "little") + name.encode()
        for part in read_file("work", name, limit, parent=job.home):
            job.link.send(wire.frame(wire.FILE, header + part))


def _read_job(job: Job) -> dict[str, Any]:
    os.lseek(job.source, 0, os.SEEK_SET)
    with open(job.source, "rb", closefd=False) as file:
        return dict(marshal.load(file))
