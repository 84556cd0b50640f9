"""Rows on the nodes of a Ray cluster: one actor per node, each with a sandbox of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

import msgspec

from opencoder.errors import DependencyError, UserError
from opencoder.log import logger
from sandbox.fleet import FailedError, Fleet, longest_s, read_answer
from sandbox.ray_actor import ActorHealth, ActorSettings, RowActor
from sandbox.rows import BatchRow, OutRow

_LOG = logger.getChild("sandbox")
# Until an actor has a place, a process and an open sandbox.
_START_S = 60.0
_CLOSE_S = 10.0
_CONNECT_S = 5.0
_LOCAL = "local"
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
            raise FailedError(_one_line(error)) from None
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
    address = os.environ.get("RAY_ADDRESS", "") or _LOCAL
    ray = _import_ray(address)
    await _reach(address)
    with _connected(ray, address):
        units = [
            RayNode(ray, node, msgspec.structs.replace(settings, slots=slots))
            for node in ray.nodes()
            if node["Alive"] and (slots := int(node["Resources"].get("CPU", 0)))
        ]
        async with Fleet(units, kind="node", repair="ray status") as fleet:
            yield fleet


def _import_ray(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == _LOCAL:
        # Ray listens on all addresses of the machine and runs what it is told: let it ask for a token.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.util.scheduling_strategies")
    except ImportError as error:
        raise DependencyError(
            f"--executor ray needs {error.name}", repair="pip install 'opencoder[ray]'"
        ) from None
    return ray


async def _reach(address: str) -> None:
    """Find out whether anybody listens at ``address``: Ray itself would try, and complain, for minutes.

    Raises:
        UserError: Ray's other ways to a cluster, which hand rows over as pickles.
        DependencyError: Nobody does.
    """
    if "://" in address:
        raise UserError(
            f"RAY_ADDRESS={address} cannot be used; run on a node of the cluster, with HOST:PORT of its head"
        )
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), port), _CONNECT_S)
    except OSError as error:
        raise _unreachable(address, error) from None
    writer.close()


def _unreachable(address: str, error: Exception) -> DependencyError:
    where = "here" if address == _LOCAL else f"at RAY_ADDRESS={address}"
    return DependencyError(f"no Ray cluster {where}: {_one_line(error)}", repair="ray status")


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    """Connect this process to a cluster; one that was started for that goes with it."""
    if ray.is_initialized():  # by a caller in this process, whose it stays
        yield
        return
    more: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if address == _LOCAL:
            # Its own, so that nobody's `auto` finds this cluster; short, as paths of sockets have 107 bytes.
            folder = tempfile.mkdtemp(prefix="opencoder-ray-", dir="/tmp")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            more = {"include_dashboard": False, "num_cpus": len(os.sched_getaffinity(0)), "_temp_dir": folder}
        stack.enter_context(contextlib.redirect_stdout(_Said()))
        stack.callback(ray.shutdown)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            # Ray puts the working folder on its workers' path, where a file of the user's would shadow ours.
            with contextlib.chdir("/"):
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **more)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _unreachable(address, error) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray's own would end us without a word
        yield


class _Said(io.TextIOBase):
    """Takes what Ray prints on stdout, where results go, as news of no importance."""

    def write(self, text: str) -> int:
        if text.strip():
            _LOG.debug("ray: %s", " ".join(text.split()))
        return len(text)


def _one_line(error: BaseException) -> str:
    """Return the first and the last sentence of an error of Ray's; the cause is in one, a table between."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))[:300] or type(error).__name__
