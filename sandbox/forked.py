"""Programs behind the boundaries of a fork server: compiled ones get one for the compiler, then their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sandbox.api import Program, Result, Running, Verdict
from sandbox.compiled import Build, Builds, compiler_limits
from sandbox.forkrun import Order
from sandbox.forkserver import ForkServer
from sandbox.jobs import GRACE_S, encode_job
from sandbox.languages import Language, language


class Finished:
    """A program that never ran, for its compiler failed (see :class:`sandbox.api.Running`)."""

    def __init__(self, result: Result) -> None:
        self._result = result

    async def send(self, data: bytes) -> None:
        """Drop ``data``: nobody reads it."""

    async def receive(self) -> bytes:
        """Return ``b""``, the end of the channel."""
        return b""

    async def cpu_s(self) -> float:
        """Return the CPU seconds that the compiler used."""
        return self._result.cpu_s

    def kill(self) -> None:
        """Do nothing: it is over."""

    async def wait(self) -> Result:
        """Return the result."""
        return self._result


class ForkedPrograms:
    """Starts programs on a fork server.

    Args:
        server: The fork server.
        toolchain: Names the compiler of a language (see :class:`sandbox.compiled.Builds`).
    """

    def __init__(self, server: ForkServer, toolchain: Callable[[Language], str]) -> None:
        self._server = server
        self._builds = Builds(self._compile, toolchain)

    async def start(self, program: Program) -> Running:
        """Start ``program``, compiled if need be.

        Raises:
            InfraError: The agent is gone.
            UserError: The program cannot be run as it stands.
        """
        job = encode_job(program)
        payload, compiled = program.payload, None
        row = language(program.language)
        if row.compile is not None:
            build = await self._builds.get(program)
            if build.result.verdict is not Verdict.OK:
                return Finished(replace(build.result, compiled=build.result))
            payload, compiled = build.artefact, build.result
        order = Order(
            job=job,
            limits=program.limits,
            deadline_s=program.limits.wall_s + GRACE_S,
            payload=payload,
            stdin=program.stdin,
            collect=bool(program.fetch),
            warm=row.run is None,
            compiled=compiled,
        )
        return await self._server.start(order)

    async def _compile(self, program: Program) -> Build:
        limits = compiler_limits(program.limits)
        order = Order(
            job=encode_job(program),
            phase="compile",
            limits=limits,
            deadline_s=limits.wall_s + GRACE_S,
            collect=True,
        )
        run = await self._server.start(order)
        result = await run.wait()
        artefact = run.take_packed()
        return Build(result=result, artefact=artefact if result.verdict is Verdict.OK else b"")

    async def aclose(self) -> None:
        """Stop what is being compiled."""
        await self._builds.aclose()
