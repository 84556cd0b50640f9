"""What a sandbox is: programs in, results out.

A backend knows nothing of benchmarks. It starts a :class:`Program` behind a boundary and gives back a
:class:`Running`; everything that judges (``sandbox.judge``) sits above this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import TracebackType
from typing import Literal, Protocol, Self


class Verdict(StrEnum):
    """How a program ended. ``sandbox_error`` is a fault of ours and never counts against the program."""

    OK = "ok"
    ERROR = "error"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    DISK = "disk"
    PIDS = "pids"
    COMPILE_ERROR = "compile_error"
    PASS = "pass"
    WRONG = "wrong"
    SANDBOX_ERROR = "sandbox_error"


class Guarantee(StrEnum):
    """How much stands between a program and the machine.

    ``full``: own kernel namespaces, caps on memory and processes, no network, system-call filter.
    ``reduced``: the same without a cgroup; memory and processes are capped by rlimits only.
    ``confined``: no namespaces of its own; a user id of its own where that can be had, a system-call filter
    without sockets and signals, rlimits and a watched memory cap.
    ``none``: a plain child process; never for code that nobody trusts.
    """

    FULL = "full"
    REDUCED = "reduced"
    CONFINED = "confined"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits of one program. Seconds, MiB (2**20 bytes), bytes and counts."""

    wall_s: float = 10.0
    cpu_s: float | None = None
    memory_mb: int = 1024
    address_space_mb: int | None = None
    disk_mb: int = 256
    inodes: int = 16384
    output_bytes: int = 1_000_000
    result_bytes: int = 64 << 20
    pids: int = 128
    compile_wall_s: float = 30.0

    def scaled(self, factor: float) -> Limits:
        """Return these limits with all times ``factor`` times as long; the very same ones for 1."""
        if factor == 1.0:
            return self
        return replace(
            self,
            wall_s=self.wall_s * factor,
            cpu_s=None if self.cpu_s is None else self.cpu_s * factor,
            compile_wall_s=self.compile_wall_s * factor,
        )


Role = Literal["script", "solution", "checker", "cooperative", "trials"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """One program to run once.

    Args:
        language: A name of ``sandbox.languages``.
        source: The text of the main file.
        role: ``script`` runs the file; ``solution`` loads it and answers calls on the channel;
            ``checker`` runs test code whose calls go out on the channel; ``cooperative`` loads it and then
            runs tests beside it (Python only).
        options: Settings of the role (see the modules of ``sandbox.guard`` with these names).
        payload: Bytes that the role reads one record at a time (the inputs of a solution).
        files: More files for the working folder, by relative path.
        env: Environment beyond the fixed, scrubbed one.
        fetch: Relative paths of files to return when the program has ended.
    """

    language: str
    source: str
    role: Role = "script"
    options: Mapping[str, object] = field(default_factory=dict)
    payload: bytes = b""
    stdin: bytes = b""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    fetch: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(kw_only=True, slots=True)
class Result:
    """What became of a program. Streams are cut to head and tail when a cap was hit.

    ``compiled`` is what became of its compiler, if it has one; a program whose compiler failed never ran.
    ``launcher`` tells how it was started: ``fork-server`` (fresh namespaces out of a warm agent), ``one-use``
    (a container of its own) or ``child`` (a plain process).
    """

    verdict: Verdict
    exit_code: int | None = None
    signal: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0
    flags: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    backend: str = ""
    guarantee: Guarantee = Guarantee.NONE
    launcher: str = ""
    image_digest: str = ""
    attempts: int = 1
    detail: str = ""
    compiled: Result | None = None


class Running(Protocol):
    """A program that has been started. The channel carries bytes to and from its role's driver."""

    async def send(self, data: bytes) -> None:
        """Write to the channel; silently dropped once the program's side is closed."""

    async def receive(self) -> bytes:
        """Return the next bytes from the channel, ``b""`` at its end."""
        ...

    async def cpu_s(self) -> float:
        """Return the CPU seconds used so far by all of its processes."""
        ...

    def kill(self) -> None:
        """End all of its processes now. The result is then judged by the caller."""

    async def wait(self) -> Result:
        """Return the result; the program and everything it started is gone by then."""
        ...


class Sandbox(Protocol):
    """A place to run programs. Use it as an async context manager; leaving it releases everything."""

    name: str
    guarantee: Guarantee
    image_digest: str

    async def start(self, program: Program) -> Running:
        """Start ``program``.

        Raises:
            InfraError: The backend, not the program, failed.
            UserError: The language is not known or not installed here.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


async def run(sandbox: Sandbox, program: Program) -> Result:
    """Run one program to its end."""
    return await (await sandbox.start(program)).wait()


async def run_many(
    sandbox: Sandbox, programs: Iterable[tuple[str, Program]], *, concurrency: int
) -> AsyncIterator[tuple[str, Result]]:
    """Run programs side by side and yield ``(id, result)`` in the order in which they end.

    At most ``concurrency`` programs are held at once, so ``programs`` may be an endless generator.
    """
    waiting = iter(programs)
    running: dict[asyncio.Task[Result], str] = {}
    try:
        while True:
            while len(running) < concurrency and (item := next(waiting, None)) is not None:
                running[asyncio.create_task(run(sandbox, item[1]))] = item[0]
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield running.pop(task), task.result()
    finally:
        for task in running:
            task.cancel()
