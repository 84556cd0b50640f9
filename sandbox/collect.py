"""What has come in of one program while it runs: its streams, and what its warden says in frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.guard import wire
from sandbox.jobs import Capture, Ended


class Collector:
    """Gathers the output and the report of one program.

    Args:
        output_bytes: How much of each stream is kept.
    """

    def __init__(self, output_bytes: int) -> None:
        self.stdout = Capture(output_bytes)
        self.stderr = Capture(output_bytes)
        self.report: dict[str, Any] = {}
        self.killed = ""
        self._files: dict[str, bytearray] = {}
        self._usage: asyncio.Future[float] | None = None

    def take(self, kind: bytes, payload: bytes) -> None:
        """Take one frame of the warden's own.

        Raises:
            FrameError: Its content is not what its kind says.
        """
        try:
            if kind == wire.RESULT:
                self.report = dict(json.loads(payload))
            elif kind == wire.FILE:
                end = 4 + int.from_bytes(payload[:4], "little")
                self._files.setdefault(payload[4:end].decode(), bytearray()).extend(payload[end:])
            elif kind == wire.USAGE:
                self.answer_usage(float(payload))
        except (ValueError, TypeError) as error:
            raise wire.FrameError(f"frame {kind!r}: {error}") from None

    async def usage(self, ask: Callable[[], None]) -> float:
        """Return the CPU seconds used so far; ``ask`` asks the warden unless a question is already open."""
        if self._usage is None or self._usage.done():
            self._usage = asyncio.get_running_loop().create_future()
            ask()
        return await asyncio.shield(self._usage)

    def answer_usage(self, cpu_s: float) -> None:
        """Answer the open question, if there is one."""
        if self._usage is not None and not self._usage.done():
            self._usage.set_result(cpu_s)

    def ended(
        self, *, wall_s: float, error: str = "", report: Mapping[str, Any] | None = None, **counted: Any
    ) -> Ended:
        """Return all that is known now that the program is gone.

        Args:
            wall_s: Seconds since it was started, for when the warden never reported.
            error: A fault of the backend, or empty.
            report: How it ended, from who watched it, where no frame says so.
            counted: What the kernel counted (``cpu_s``, ``memory_bytes``, ``oom_kills``, ``pids_hits``).
        """
        self.answer_usage(float(counted.get("cpu_s", 0.0)))
        return Ended(
            report=self.report or report or {},
            stdout=self.stdout,
            stderr=self.stderr,
            killed=self.killed,
            error=error,
            wall_s=wall_s,
            files={name: bytes(data) for name, data in self._files.items()},
            **counted,
        )
