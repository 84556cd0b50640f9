"""Where an agent runs, if not on the host: PID 1 of a long-lived, hardened container."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from opencoder.errors import DependencyError, InfraError
from opencoder.log import logger
from sandbox import reaper
from sandbox.engine import AGENT_SOCKET, ContainerEngine
from sandbox.guard.trees import remove_tree
from sandbox.launcher import Ready, read_ready

_log = logger.getChild("sandbox")
_CONNECT_S = 60.0
_LOOK_S = 0.5


class ContainerLauncher:
    """Starts an agent in a container (see :class:`sandbox.launcher.Launcher`).

    The agent comes to us: a socket in a folder of this host that only its owner may enter is shown to the
    container until the agent has moved behind the root folder of the programs.

    Args:
        engine: Makes the container.
    """

    def __init__(self, engine: ContainerEngine) -> None:
        self._engine = engine
        self._container = ""
        self._staging = Path()
        self._removals: set[asyncio.Task[None]] = set()

    @property
    def container(self) -> str:
        """The id of the container, empty when there is none."""
        return self._container

    async def launch(self) -> Ready:
        """Start the container (see :class:`sandbox.launcher.Launcher`)."""
        self._staging = reaper.new_folder()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control: socket.socket | None = None
        try:
            listener.setblocking(False)
            listener.bind(str(self._staging / AGENT_SOCKET))
            listener.listen(1)
            self._container = await asyncio.to_thread(self._engine.start_agent, self._staging)
            control = await self._accept(listener)
            ready = await read_ready(control)
            if not ready.get("ready"):
                raise DependencyError(
                    f"the agent cannot work in a container here: {ready.get('error', 'it ended')}",
                    repair="opencoder sandbox doctor",
                )
        except BaseException:
            if control is not None:
                control.close()
            self.release()
            raise
        finally:
            listener.close()
        return Ready(control=control, capped=bool(ready["capped"]), note=ready["note"], staging=self._staging)

    async def _accept(self, listener: socket.socket) -> socket.socket:
        """Wait for the agent to connect.

        Raises:
            InfraError: Its container ended, or it took too long.
        """
        loop = asyncio.get_running_loop()
        accepted = asyncio.create_task(loop.sock_accept(listener))
        try:
            for _ in range(int(_CONNECT_S / _LOOK_S)):
                done, _ = await asyncio.wait((accepted,), timeout=_LOOK_S)
                if done:
                    control, _ = accepted.result()
                    control.setblocking(False)
                    return control
                state = await asyncio.to_thread(self._engine.state, self._container)
                if not state.running:
                    raise InfraError(f"the container of the agent ended with exit code {state.exit_code}")
        finally:
            accepted.cancel()
        raise InfraError(f"the agent did not connect from its container within {_CONNECT_S:.0f} s")

    def release(self, *, kill: bool = False) -> None:
        """Remove the container, in the background (see :class:`sandbox.launcher.Launcher`)."""
        container, self._container = self._container, ""
        task = asyncio.create_task(self._remove(container, self._staging))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    async def _remove(self, container: str, staging: Path) -> None:
        remove_tree(staging)
        if not container:
            return
        try:
            await asyncio.to_thread(self._engine.remove, container)
        except InfraError as error:  # it ends by itself when its socket closes, and a reaper knows its label
            _log.warning("the container of the agent is still there: %s", error)

    async def aclose(self) -> None:
        """Wait until every container is gone."""
        while self._removals:
            await asyncio.wait(set(self._removals))
