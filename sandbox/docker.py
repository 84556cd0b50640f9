"""The ``docker`` backend: a fork server in a hardened container, or one container per program.

The agent (``sandbox.guard.container_agent``) needs some rights on its container to make a boundary for each
program. Where the engine or the kernel refuses them, each program gets a container of its own out of a warm
pool; ``note`` says why, and every result which of the two it was.
"""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Self

from opencoder.errors import InfraError, OpenCoderError, UserError
from opencoder.log import logger
from sandbox import owner, reaper
from sandbox.api import Guarantee, Program, Result, Running
from sandbox.container_launcher import ContainerLauncher
from sandbox.engine import ContainerEngine
from sandbox.forked import ForkedPrograms
from sandbox.forkserver import ForkServer
from sandbox.jobs import Ended, encode_job, to_result
from sandbox.languages import language
from sandbox.oneuse import OneUsePrograms

_log = logger.getChild("sandbox")


class DockerSandbox:
    """Programs in containers of the local engine.

    Args:
        image: A name of ``sandbox.images``.
        concurrency: How many programs run side by side, for the size of the pool; the CPUs if not given.
        one_use: Whether to give each program a container of its own in any case.

    Attributes:
        launcher: ``fork-server`` or ``one-use``.
    """

    name = "docker"

    def __init__(
        self, *, image: str = "python", concurrency: int | None = None, one_use: bool = False
    ) -> None:
        self._image = image
        self._spares = concurrency or len(os.sched_getaffinity(0))
        self._one_use = one_use
        self._engine: ContainerEngine | None = None
        self._agent: ContainerLauncher | None = None
        self._server: ForkServer | None = None
        self._programs: ForkedPrograms | OneUsePrograms | None = None
        self.owner = owner.new_owner()
        self.guarantee = Guarantee.FULL
        self.image_digest = ""
        self.launcher = ""
        self._note = ""

    @property
    def note(self) -> str:
        """Why there is no fork server, what the engine does not enforce, what could not be loaded ahead."""
        left_out = self._engine.left_out if self._engine is not None else ""
        return "; ".join(part for part in (self._note, left_out) if part)

    async def __aenter__(self) -> Self:
        def labels() -> dict[str, str]:
            return owner.labels(self.owner)

        engine = await asyncio.to_thread(ContainerEngine.open, self._image, labels)
        await asyncio.to_thread(engine.remove_abandoned)
        await asyncio.to_thread(reaper.reap_folders)
        self._engine, self.image_digest = engine, engine.image
        if self._one_use or not await self._open_agent(engine):
            self.launcher = "one-use"
            self.guarantee = engine.guarantee
            self._note = self._note or engine.note
            self._programs = OneUsePrograms(engine, self._spares, self._judge)
        return self

    async def _open_agent(self, engine: ContainerEngine) -> bool:
        """Start the fork server; False where that is refused."""
        agent = ContainerLauncher(engine)
        server = ForkServer(agent, self._judge)
        try:
            ready = await server.open()
        except OpenCoderError as error:
            self._note = f"one container per program, for {error}"
        else:
            if ready is None or ready.capped:
                self._agent, self._server, self.launcher = agent, server, "fork-server"
                self._programs = ForkedPrograms(server, lambda row: engine.image)
                self._note = ready.note if ready is not None else ""
                return True
            self._note = f"one container per program, for none may cap what is inside it: {ready.note}"
            server.close()
        await agent.aclose()
        _log.info("%s", self.note)
        return False

    async def start(self, program: Program) -> Running:
        """Start ``program`` (see :class:`sandbox.api.Sandbox`)."""
        if self._engine is None or self._programs is None:
            raise InfraError("the sandbox is not open; use it in an 'async with' block")
        encode_job(program)
        known = language(program.language)
        if not any(language(name) is known for name in self._engine.languages):
            raise UserError(
                f"sandbox image '{self._image}' has no {program.language}; "
                f"it has: {', '.join(sorted(self._engine.languages))}"
            )
        if self._server is not None:
            await self._server.open()
        return await self._programs.start(program)

    def _judge(self, ended: Ended) -> Result:
        return to_result(
            ended,
            backend=self.name,
            guarantee=self.guarantee,
            launcher=self.launcher,
            image_digest=self.image_digest,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._programs is not None:
            await self._programs.aclose()
        if self._server is not None and self._agent is not None:
            self._server.close()
            await self._agent.aclose()
        if self._engine is not None:
            try:
                await asyncio.to_thread(self._engine.remove_owned, self.owner)
            except InfraError as failed:  # a reaper knows their labels
                _log.warning("containers may be left: %s", failed)
            self._engine.close()
        self._engine = self._programs = self._server = self._agent = None
