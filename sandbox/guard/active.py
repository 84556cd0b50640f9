"""The programs that an agent holds: their clocks, their way to the supervisor, and the files they leave."""

from __future__ import annotations

import marshal
import os
import socket
from dataclasses import dataclass, field
from typing import Any

from . import artefact, descendants, wire
from .cgroups import Group
from .warden import read_file

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
    """One program that runs, or whose files are being fetched.

    ``source`` is the job itself and ``packed`` where a compiler's work goes, if there is anything to fetch.
    """

    id: int
    pid: int
    phase: str
    link: StatusLink
    ending: socket.socket
    group: Group | None
    began: float
    wall_s: float
    cpu_s: float | None
    source: int = -1
    packed: int = -1
    home: int = -1
    look_at: float = 0.0
    reason: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)

    def used_s(self) -> float:
        """Return the CPU seconds used so far."""
        return self.group.cpu_s() if self.group else descendants.cpu_s_of(self.pid)

    def look(self, now: float) -> None:
        """Hold the limits: set ``reason`` when one is reached, and when to look again."""
        left = self.began + self.wall_s - now
        if left <= 0:
            self.reason = self.reason or "wall"
        elif self.cpu_s is not None:
            cpu = self.cpu_s - self.used_s()
            if cpu <= 0:
                self.reason = self.reason or "cpu"
            left = min(left, max(cpu / _CPUS, _MIN_WAIT_S))
        self.look_at = now + max(min(left, _MAX_WAIT_S), _MIN_WAIT_S)


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
