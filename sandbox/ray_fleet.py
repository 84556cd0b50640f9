"""Rows on the nodes of a Ray cluster: one actor per node, each with a sandbox of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec

from opencoder.ray_cluster import one_line, ray_cluster
from sandbox.fleet import FailedError, Fleet, longest_s, read_answer
from sandbox.ray_actor import ActorHealth, ActorSettings, RowActor
from sandbox.rows import BatchRow, OutRow

# Until an actor has a place, a process and an open sandbox.
_START_S = 60.0
_CLOSE_S = 10.0
# Calls beside rows: health and close.
_SPARE_CALLS = 4


class _Method(Protocol):
    def remote(self, *data: bytes) -> Awaitable[bytes]: ...


class _Actor(Protocol):
    health: _Method
    run: _Method
    close: _Method


class RayNode:
    """One node with our actor on it, a :class:`sandbox.fleet.Unit`.

    The actor is started when the node is asked for its health and there is none; one that died, or stopped
    answering, is replaced the same way. It holds the CPUs that it uses, so other work of the cluster goes
    elsewhere.

    Args:
        ray: The module, connected to the cluster.
        node: What Ray says of the node.
        settings: How the actor is started.
    """

    def __init__(self, ray: Any, node: dict[str, Any], settings: ActorSettings) -> None:
        self._ray = ray
        self._id: str = node["NodeID"]
        self.name = f"{node['NodeManagerHostname']} ({self._id[:8]})"
        self._settings = settings
        self._actor: _Actor | None = None
        self._time_factor = 1.0
        self._opened = False  # whether it has answered, and so may have left something to clear away

    async def health(self) -> int:
        """Ask the actor for its slots (see :class:`sandbox.fleet.Unit`)."""
        if self._actor is None:
            self._actor = self._start()
        actor = self._actor
        data = await self._call(actor, actor.health, wait_s=_START_S)
        try:
            said = msgspec.json.decode(data, type=ActorHealth)
        except msgspec.DecodeError as error:
            raise FailedError(f"no whole answer: {error}; is its opencoder another version?") from None
        if said.error:
            raise FailedError(said.error)
        self._opened = True
        self._time_factor = said.time_factor
        return said.slots

    async def run(self, row: BatchRow) -> OutRow:
        """Have the actor run ``row`` (see :class:`sandbox.fleet.Unit`)."""
        actor = self._actor
        if actor is None:
            raise FailedError("no actor")
        data = await self._call(
            actor, actor.run, msgspec.json.encode(row), wait_s=longest_s(row, self._time_factor)
        )
        return read_answer(data, row)

    async def aclose(self) -> None:
        """Have the actor clear away what it made, then end it."""
        actor = self._actor
        if actor is None:
            return
        if self._opened:
            with contextlib.suppress(FailedError):
                await self._call(actor, actor.close, wait_s=_CLOSE_S)
        self._drop(actor)

    def _start(self) -> _Actor:
        place = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(self._id, soft=False)
        slots = self._settings.slots
        options = {"num_cpus": slots, "max_concurrency": slots + _SPARE_CALLS, "scheduling_strategy": place}
        # Neither calls nor actors are repeated by Ray: what was lost, and what to do, is the fleet's to know.
        kind = self._ray.remote(max_restarts=0, max_task_retries=0)(RowActor)
        actor: _Actor = kind.options(**options).remote(msgspec.json.encode(self._settings))
        return actor

    async def _call(self, actor: _Actor, method: _Method, *data: bytes, wait_s: float) -> bytes:
        answer = None
        try:
            answer = method.remote(*data)
            return await asyncio.wait_for(answer, wait_s)
        except TimeoutError:
            self._drop(actor)
            raise FailedError(f"no answer for {wait_s:.0f} s; are its CPUs taken?") from None
        except self._ray.exceptions.RayError as error:
            self._drop(actor)
            raise FailedError(one_line(error)) from None
        except asyncio.CancelledError:
            if answer is not None:
                self._ray.cancel(answer)
            raise

    def _drop(self, actor: _Actor) -> None:
        """End ``actor``; the next look at the node starts another one."""
        if self._actor is actor:
            self._actor, self._opened = None, False
        self._ray.kill(actor)


@asynccontextmanager
async def ray_fleet(settings: ActorSettings) -> AsyncIterator[Fleet]:
    """Open the nodes of the cluster at ``RAY_ADDRESS`` as one; without it, a cluster of this machine alone.

    Args:
        settings: How the actors are started; ``slots`` is told by each node.

    Raises:
        UserError: ``RAY_ADDRESS`` is of a kind that cannot be used.
        DependencyError: Ray is not installed, no cluster answers, or no node can run programs.
    """
    with ray_cluster() as ray:
        units = [
            RayNode(ray, node, msgspec.structs.replace(settings, slots=slots))
            for node in ray.nodes()
            if node["Alive"] and (slots := int(node["Resources"].get("CPU", 0)))
        ]
        async with Fleet(units, kind="node", repair="ray status") as fleet:
            yield fleet
