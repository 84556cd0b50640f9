"""What runs on each node of a Ray cluster: rows in, results out, as JSON bytes.

Ray hands bytes over as they are and pickles everything else. So nothing but bytes goes either way here, and
no object that a program had a say in is ever pickled: not a result, and not an exception either.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import msgspec

from opencoder.errors import OpenCoderError
from sandbox.api import Sandbox, Verdict
from sandbox.backends import open_backend
from sandbox.calibrate import time_factor
from sandbox.rows import BatchRow, Judge, OutRow, run_row


class ActorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an actor is started with.

    Args:
        backend: Name of the backend; None for the best of the node.
        unsafe: Whether a backend without boundary is agreed to.
        judge: How solutions are judged; None for by cases where a row has any.
        image: The image of backend docker; its default if None.
        time_factor: How many times as long limits get; None to measure it on the node.
        slots: Programs side by side.
    """

    backend: str | None
    unsafe: bool
    judge: Judge | None
    image: str | None
    time_factor: float | None
    slots: int = 1


class ActorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What an actor says of itself. ``error`` is why it runs nothing, or empty."""

    slots: int = 0
    time_factor: float = 1.0
    error: str = ""


class RowActor:
    """Runs rows with a sandbox of its own, opened when it is first asked for its health.

    Args:
        settings: :class:`ActorSettings` as JSON.
    """

    def __init__(self, settings: bytes) -> None:
        self._settings = msgspec.json.decode(settings, type=ActorSettings)
        self._opening = asyncio.Lock()
        self._sandbox: Sandbox | None = None
        self._opened = AsyncExitStack()

    async def health(self) -> bytes:
        """Open the sandbox unless it is open, and return :class:`ActorHealth` as JSON."""
        try:
            sandbox = await self._open()
        except Exception as error:  # noqa: BLE001 - Ray would pickle it
            return msgspec.json.encode(ActorHealth(error=_text(error)))
        return msgspec.json.encode(ActorHealth(slots=self._settings.slots, time_factor=time_factor(sandbox)))

    async def run(self, row: bytes) -> bytes:
        """Run a :class:`sandbox.rows.BatchRow` and return its :class:`sandbox.rows.OutRow`, both as JSON."""
        asked = msgspec.json.decode(row, type=BatchRow)
        try:
            out = await run_row(await self._open(), asked, self._settings.judge)
        except Exception as error:  # noqa: BLE001 - Ray would pickle it
            out = OutRow(id=asked.id, verdict=Verdict.SANDBOX_ERROR, detail=_text(error))
        return msgspec.json.encode(out)

    async def close(self) -> bytes:
        """Close the sandbox, which kills its programs, so that nothing is left behind on the node."""
        async with self._opening:
            self._sandbox = None
            await self._opened.aclose()
        return b""

    async def _open(self) -> Sandbox:
        async with self._opening:
            if self._sandbox is None:
                settings = self._settings
                backend = open_backend(
                    settings.backend,
                    concurrency=settings.slots,
                    unsafe=settings.unsafe,
                    image=settings.image,
                    time_factor=settings.time_factor,
                )
                self._sandbox = await self._opened.enter_async_context(backend)
            return self._sandbox


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, OpenCoderError) else f"{type(error).__name__}: {error}"
