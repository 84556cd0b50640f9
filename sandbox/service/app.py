"""The endpoints: what comes in over HTTP goes through a slot to the sandbox, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from opencoder.errors import InfraError, UserError
from sandbox.api import Result, Sandbox, Verdict
from sandbox.calibrate import time_factor
from sandbox.jobs import encode_job
from sandbox.judge import judge_script
from sandbox.languages import LANGUAGES
from sandbox.rows import BatchRow, Judge, OutRow, check, run_row
from sandbox.service.admission import Admission, BusyError, DrainingError
from sandbox.service.gate import Gate, TooLargeError
from sandbox.service.metrics import Metrics
from sandbox.service.openapi import description
from sandbox.service.schema import RunCode, answer

_T = TypeVar("_T")
_JUDGES: dict[str, Judge | None] = {"": None, "cases": "cases", "tests": "tests"}
# What nginx logs when nobody waits for the answer any more.
_CLIENT_GONE = 499


class BadRequestError(Exception):
    """The request cannot be served as it stands; the message is one line."""


class Service:
    """One sandbox behind HTTP.

    Args:
        sandbox: An open sandbox.
        slots: Programs that run side by side.
        queue: Programs that may wait.
    """

    def __init__(self, sandbox: Sandbox, *, slots: int, queue: int) -> None:
        self._sandbox = sandbox
        self.admission = Admission(slots, queue)
        self._metrics = Metrics(self.admission)

    def app(self, *, token: str, max_bytes: int) -> ASGIApp:
        """Return the ASGI application.

        Args:
            token: What clients must bring, or empty.
            max_bytes: Longest body of a request.
        """
        routes = [
            Route("/run_code", self._run_code, methods=["POST"]),
            Route("/run_batch", self._run_batch, methods=["POST"]),
            Route("/languages", self._languages),
            Route("/health", self._health),
            Route("/metrics", self._show_metrics),
            Route("/openapi.json", self._openapi),
        ]
        handlers: dict[Any, Any] = {
            BadRequestError: self._say_bad,
            BusyError: self._say_busy,
            DrainingError: self._say_draining,
            ClientDisconnect: self._say_gone,
            TooLargeError: self._say_too_large,
        }
        return Gate(Starlette(routes=routes, exception_handlers=handlers), token=token, max_bytes=max_bytes)

    async def _run_code(self, request: Request) -> Response:
        body = await request.body()
        try:
            asked = msgspec.json.decode(body, type=RunCode)
            program = asked.program()
            encode_job(program)
        except (msgspec.DecodeError, UserError) as error:
            raise BadRequestError(str(error)) from None
        self.admission.check()

        async def work() -> Result:
            async with self.admission.slot():
                try:
                    result = (await judge_script(self._sandbox, program)).result
                except InfraError as error:
                    result = Result(verdict=Verdict.SANDBOX_ERROR, detail=str(error))
            self._metrics.ended(program.language, result.verdict, result.wall_s)
            return result

        try:
            return _json(answer(await while_connected(request, work()), time_factor(self._sandbox)))
        except UserError as error:
            raise BadRequestError(str(error)) from None

    async def _run_batch(self, request: Request) -> Response:
        judge = request.query_params.get("judge", "")
        if judge not in _JUDGES:
            raise BadRequestError(f"`judge` is {judge!r}; use cases or tests")
        rows = parse_rows(await request.body(), _JUDGES[judge])
        self.admission.check()
        return StreamingResponse(
            self._stream(request, rows, _JUDGES[judge]), media_type="application/x-ndjson"
        )

    async def _stream(
        self, request: Request, rows: list[BatchRow], judge: Judge | None
    ) -> AsyncIterator[bytes]:
        """Run ``rows`` and yield each result as it comes; what runs is ended when the client leaves."""
        waiting = iter(rows)
        done: asyncio.Queue[OutRow] = asyncio.Queue()

        async def work() -> None:
            for row in waiting:
                async with self.admission.slot():
                    out = await run_row(self._sandbox, row, judge)
                self._metrics.ended(row.language, out.verdict, out.wall_s)
                done.put_nowait(out)

        tasks = [asyncio.create_task(work()) for _ in range(min(self.admission.slots, len(rows)))]
        left = asyncio.create_task(_disconnected(request))
        try:
            for _ in rows:
                out = await _next(done, tasks, left)
                if out is None:
                    return
                yield msgspec.json.encode(out) + b"\n"
        finally:
            for task in (*tasks, left):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _languages(self, request: Request) -> Response:
        return _json({"languages": {name: {"aliases": row.aliases} for name, row in LANGUAGES.items()}})

    async def _health(self, request: Request) -> Response:
        admission = self.admission
        state = {
            "status": "draining" if admission.draining else "ok",
            "slots": admission.slots,
            "free": admission.free,
            "running": admission.running,
            "waiting": admission.waiting,
            "queue": admission.queue,
            "backend": self._sandbox.name,
            "time_factor": time_factor(self._sandbox),
            "guarantee": self._sandbox.guarantee,
            "image_digest": self._sandbox.image_digest,
        }
        return _json(state, 503 if admission.draining else 200)

    async def _show_metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def _openapi(self, request: Request) -> Response:
        return _json(description())

    async def _say_bad(self, request: Request, error: Exception) -> Response:
        return _json({"error": str(error)}, 400)

    async def _say_too_large(self, request: Request, error: Exception) -> Response:
        return _json({"error": str(error)}, 413)

    async def _say_gone(self, request: Request, error: Exception) -> Response:
        return _json({"error": "the client has left"}, _CLIENT_GONE)

    async def _say_busy(self, request: Request, error: Exception) -> Response:
        self._metrics.refused("busy")
        retry_s = error.retry_s if isinstance(error, BusyError) else 1
        return _json({"error": str(error)}, 429, {"Retry-After": str(retry_s)})

    async def _say_draining(self, request: Request, error: Exception) -> Response:
        self._metrics.refused("draining")
        return _json({"error": str(error)}, 503, {"Retry-After": "1"})


def parse_rows(body: bytes, judge: Judge | None) -> list[BatchRow]:
    """Read the rows of a batch, JSON lines.

    Raises:
        BadRequestError: A row that cannot be run, or an id that stands twice; with its line.
    """
    rows: list[BatchRow] = []
    seen: set[str] = set()
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=BatchRow)
            check(row, judge)
        except (msgspec.DecodeError, UserError) as error:
            raise BadRequestError(f"line {number}: {error}") from None
        if row.id in seen:
            raise BadRequestError(f"line {number}: id {row.id!r} stands already in an earlier line")
        seen.add(row.id)
        rows.append(row)
    if not rows:
        raise BadRequestError("the body holds no row; send one JSON object per line")
    return rows


async def while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """Return what ``work`` does, which is cancelled when the client leaves.

    Raises:
        ClientDisconnect: It has left.
    """
    task = asyncio.create_task(work)
    left = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        for one in (task, left):
            one.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _next(
    done: asyncio.Queue[OutRow], tasks: list[asyncio.Task[None]], left: asyncio.Task[None]
) -> OutRow | None:
    """Return the next result, None once ``left``.

    A task that broke breaks the stream, so that nobody waits for its rows.
    """
    if not done.empty():
        return done.get_nowait()
    getting: asyncio.Task[OutRow] = asyncio.create_task(done.get())
    pending: set[asyncio.Task[Any]] = {getting, left, *(task for task in tasks if not task.done())}
    try:
        while not getting.done():
            finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if left in finished:
                return None
            for task in finished - {getting}:
                task.result()
    finally:
        getting.cancel()
    return getting.result()


def _json(value: object, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), code, headers, "application/json")
