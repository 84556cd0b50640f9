"""Many services as one: rows go where a slot is free, and elsewhere when a service fails.

A row is run again only where nothing of it can count twice: its result is what one service answered in full.
A lost connection, a full queue or a fault of a sandbox says nothing about the program.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2 as httpx
import msgspec

from opencoder.errors import DependencyError, UserError
from opencoder.log import logger
from sandbox.api import Verdict
from sandbox.rows import BatchRow, Judge, OutRow

_LOG = logger.getChild("sandbox")
_TRIES = 5
_PROBE_S = 10.0
_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 30.0
# So long may all services be sick before rows are given up.
_PATIENCE_S = 60.0
# What a service may take beside the limits of a row: its queue, its retries, the way.
_SLACK_S = 120.0
_BUSY = 429


class _Health(msgspec.Struct):
    slots: int
    time_factor: float = 1.0


class _FailedError(Exception):
    """This service did not do it; another one may."""


class _FullError(Exception):
    """This service has no room; it is well."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"full for {wait_s} s")
        self.wait_s = wait_s


@dataclass(slots=True, eq=False)
class Endpoint:
    """One service. ``slots`` is what it said; ``used`` what we have under way there."""

    url: str
    slots: int = 0
    time_factor: float = 1.0
    used: int = 0
    away_until: float = 0.0
    backoff_s: float = _FIRST_BACKOFF_S
    failures: int = 0
    served: int = 0
    error: str = "never asked"

    @property
    def free(self) -> int:
        """Slots for one more of ours."""
        return self.slots - self.used if time.monotonic() >= self.away_until else 0


class Fleet:
    """Runs rows on services (see ``opencoder sandbox serve``).

    Args:
        urls: Their base URLs.
        token: What they want in ``Authorization``, or empty.
        judge: How solutions are judged; None for by cases where a row has any.
    """

    def __init__(self, urls: Sequence[str], *, token: str = "", judge: Judge | None = None) -> None:
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise UserError(f"endpoint {url!r} is no URL; use one as http://127.0.0.1:8080")
        self.endpoints = [Endpoint(url.rstrip("/")) for url in dict.fromkeys(urls)]
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._params = {"judge": judge} if judge else {}
        self._moved = asyncio.Condition()
        self._probes: dict[Endpoint, asyncio.Task[None]] = {}

    @property
    def slots(self) -> int:
        """How many rows are worth having under way."""
        return sum(endpoint.slots for endpoint in self.endpoints)

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(headers=self._headers, limits=limits, trust_env=False)
        await asyncio.gather(*(self._ask(endpoint) for endpoint in self.endpoints))
        if not self.slots:
            said = "; ".join(f"{endpoint.url}: {endpoint.error}" for endpoint in self.endpoints)
            await self._client.aclose()
            raise DependencyError(f"no endpoint answers: {said}", repair="opencoder sandbox serve")
        for endpoint in self.endpoints:
            if not endpoint.slots:
                self._leave(endpoint, endpoint.error)
        return self

    async def run_row(self, row: BatchRow) -> OutRow:
        """Return what became of ``row``; ``sandbox_error`` when no service could tell."""
        faults: list[str] = []
        while len(faults) < _TRIES:
            endpoint = await self._take()
            if endpoint is None:
                faults.append(f"no endpoint for {_PATIENCE_S:.0f} s")
                break
            try:
                out = await self._send(endpoint, row)
            except _FullError as error:
                endpoint.away_until = time.monotonic() + error.wait_s
                continue
            except _FailedError as error:
                self._leave(endpoint, str(error))
                faults.append(f"{endpoint.url}: {error}")
                continue
            finally:
                endpoint.used -= 1
                await self._wake()
            if out.verdict is not Verdict.SANDBOX_ERROR:
                endpoint.served += 1
                return msgspec.structs.replace(out, attempts=out.attempts + len(faults))
            faults.append(f"{endpoint.url}: {out.detail}")
        return OutRow(
            id=row.id, verdict=Verdict.SANDBOX_ERROR, attempts=len(faults), detail="; ".join(faults)[-1000:]
        )

    async def _take(self) -> Endpoint | None:
        """Wait for the service with the most free slots and take one of them; None when all stay sick."""
        deadline = time.monotonic() + _PATIENCE_S
        async with self._moved:
            while True:
                best = max(self.endpoints, key=lambda one: one.free / max(one.slots, 1))
                if best.free > 0:
                    best.used += 1
                    return best
                if any(one.slots for one in self.endpoints):
                    deadline = time.monotonic() + _PATIENCE_S
                elif time.monotonic() > deadline:
                    return None
                try:
                    await asyncio.wait_for(self._moved.wait(), 0.25)
                except TimeoutError:
                    continue

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _send(self, endpoint: Endpoint, row: BatchRow) -> OutRow:
        limits = row.limits.limits().scaled(endpoint.time_factor)
        timeout = httpx.Timeout(limits.wall_s * 3 + limits.compile_wall_s + _SLACK_S, connect=_PROBE_S)
        try:
            answer = await self._client.post(
                f"{endpoint.url}/run_batch",
                params=self._params,
                content=msgspec.json.encode(row),
                timeout=timeout,
            )
        except httpx.HTTPError as error:
            raise _FailedError(f"{type(error).__name__} {error}".strip()) from None
        if answer.status_code == _BUSY:
            raise _FullError(_seconds(answer.headers.get("retry-after", "")))
        if answer.status_code >= 500:
            raise _FailedError(f"HTTP {answer.status_code}")
        if answer.status_code != 200:
            raise UserError(f"{endpoint.url} refuses row {row.id!r}: {answer.text[:300]}")
        try:
            out = msgspec.json.decode(answer.content, type=OutRow)
        except msgspec.DecodeError as error:
            raise _FailedError(f"no whole answer: {error}") from None
        if out.id != row.id:
            raise _FailedError(f"an answer for row {out.id!r}")
        return out

    def _leave(self, endpoint: Endpoint, why: str) -> None:
        """Give nothing more to a sick service until it answers again."""
        if endpoint in self._probes:
            return
        _LOG.warning("endpoint %s is left out: %s", endpoint.url, why)
        endpoint.slots, endpoint.error = 0, why
        endpoint.failures += 1
        self._probes[endpoint] = asyncio.create_task(self._probe(endpoint))

    async def _probe(self, endpoint: Endpoint) -> None:
        while not endpoint.slots:
            await asyncio.sleep(endpoint.backoff_s)
            endpoint.backoff_s = min(endpoint.backoff_s * 2, _LONGEST_BACKOFF_S)
            await self._ask(endpoint)
        _LOG.warning("endpoint %s is back", endpoint.url)
        del self._probes[endpoint]
        await self._wake()

    async def _ask(self, endpoint: Endpoint) -> None:
        try:
            answer = await self._client.get(f"{endpoint.url}/health", timeout=_PROBE_S)
            answer.raise_for_status()
            health = msgspec.json.decode(answer.content, type=_Health)
            endpoint.slots, endpoint.time_factor = health.slots, health.time_factor
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            endpoint.error = str(error) or type(error).__name__
        else:
            endpoint.error, endpoint.backoff_s = "", _FIRST_BACKOFF_S

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in list(self._probes.values()):
            task.cancel()
        await asyncio.gather(*self._probes.values(), return_exceptions=True)
        await self._client.aclose()


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 1.0
