"""A model behind OpenAI's Batch API: half the price, an answer within 24 hours.

Requests are gathered until no new one has come for a while, then sent as one file. What was sent is written
down before the next step, so a run that was killed picks its batches up again and pays for nothing twice:
answers go into a journal of the model's own, from which equal requests are answered.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opencoder.errors import InfraError, OpenCoderError
from opencoder.llm.api import Choice, Request, RequestError, Response, Style, check_drawn
from opencoder.llm.batch_files import (
    BatchLog,
    BatchOptions,
    BatchState,
    RequestFile,
    ResultLine,
    read_requests,
    request_line,
)
from opencoder.llm.batch_server import BatchServer
from opencoder.llm.journal import Ending, Entry, Journal
from opencoder.llm.openai_wire import WireAnswer, body_of, error_of, failure_of, parse_answer
from opencoder.llm.retry import Refused
from opencoder.log import logger

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class BatchModel:
    """A model that is asked in batches; belongs to one event loop and is the only one in its folder.

    As many requests as possible should wait for it at a time: who asks 64 at once gets batches of 64.

    Args:
        model: The model's name on the server. Its answers are those of ``openai/NAME``, and so is its name.
        client: Closed by :meth:`aclose`.
        options: How requests are put together and waited for.
        retries: How often a call that changes nothing is repeated.
        style: How the model is asked.

    Raises:
        DataError: What is written down in the folder cannot be read.
        UserError: Another process works in the folder.
    """

    def __init__(
        self, model: str, client: AsyncOpenAI, *, options: BatchOptions, retries: int, style: Style | None
    ) -> None:
        self.name = f"openai/{model}"
        self.revision = ""
        self._model = model
        self._client = client
        self._server = BatchServer(client, model=model, retries=retries)
        self._options = options
        self._style: Style = style or "chat"
        self._journal = Journal(options.folder / "answers")
        self._log = BatchLog(options.folder / "batches.jsonl")
        self._numbers = itertools.count(max(self._log.states, default=0) + 1)
        self._gathering: dict[str, RequestFile] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._sent: dict[int, set[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiters: dict[str, list[asyncio.Future[Entry]]] = {}
        self._tries: dict[str, int] = {}
        self._resumed = False

    async def complete(self, request: Request) -> Response:
        """Answer one request; see :class:`opencoder.llm.api.Model`."""
        check_drawn(request.sampling)
        if not self._resumed:
            self._resume()
        key = request.key(self.name)
        entry = self._journal.get(key)
        if entry is None:
            entry = await self._queued(key, request)
        return _response(entry, request)

    async def style(self) -> Style:
        """Say how the model is asked."""
        return self._style

    async def aclose(self) -> None:
        """Stop waiting. Batches that were sent go on; the next run with this folder picks them up."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for file in self._gathering.values():
            file.close()
        self._log.close()
        self._journal.close()
        await self._client.close()

    def _resume(self) -> None:
        """Pick up what an earlier run has sent."""
        self._resumed = True
        for state in list(self._log.states.values()):
            if state.done:
                continue
            if not state.file_id:  # never got to the server
                self._end(state)
                continue
            keys = {key for key, _ in read_requests(self._path(state.number))}
            logger.info("%s: going on with batch %s", self._server.url, state.batch_id or state.file_id)
            self._start(state, keys)

    async def _queued(self, key: str, request: Request) -> Entry:
        """Wait for an answer, in a batch that was sent or in the next one."""
        files = (*self._sent.values(), *(file.keys for file in self._gathering.values()))
        known = any(key in keys for keys in files)
        future: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(key, []).append(future)
        try:
            if not known:
                path, body = body_of(
                    request, model=self._model, max_tokens_name=_limit_name(request), prefill=False
                )
                self._gather(f"/v1{path}", key, request_line(key, f"/v1{path}", body))
            return await future
        finally:
            waiting = self._waiters[key]
            waiting.remove(future)
            if not waiting:
                del self._waiters[key]

    def _gather(self, endpoint: str, key: str, line: bytes) -> None:
        file = self._gathering.get(endpoint)
        if file is not None and not file.takes(line):
            self._send(endpoint)
            file = None
        if file is None:
            file = self._gathering[endpoint] = RequestFile(
                self._path(next(self._numbers)),
                endpoint,
                max_requests=self._options.max_requests,
                max_bytes=self._options.max_bytes,
            )
        file.add(key, line)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._options.gather_s, self._send_all)

    def _send_all(self) -> None:
        for endpoint in list(self._gathering):
            self._send(endpoint)

    def _send(self, endpoint: str) -> None:
        file = self._gathering.pop(endpoint)
        try:
            file.close()
            state = BatchState(number=int(file.path.stem), endpoint=endpoint, at=time.time())
            self._log.add(state)
        except OpenCoderError as error:  # called by the clock: nobody else would tell those who wait
            self._fail(file.keys, error)
        else:
            self._start(state, file.keys)

    def _start(self, state: BatchState, keys: set[str]) -> None:
        self._sent[state.number] = keys
        task = asyncio.get_running_loop().create_task(self._carry(state, keys))
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, keys))

    def _ended(self, task: asyncio.Task[None], keys: set[str]) -> None:
        """Let nobody wait for a batch that an error which was not foreseen has left."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(keys, error)

    async def _carry(self, state: BatchState, keys: set[str]) -> None:
        """Bring one batch to its end and hand out what came of it."""
        try:
            state = await self._begun(state)
            reasons: dict[str, str] = {}
            fatal: OpenCoderError | None = None
            if state.batch_id:
                batch = await self._server.wait(state.batch_id, pause_s=self._options.poll_s)
                fatal = self._server.refusal(batch)
                for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
                    async for result in self._server.results(file_id):
                        fatal = self._take(result, reasons) or fatal
            if fatal is not None:
                self._fail(keys, fatal)
            again = self._unanswered(state, reasons)
            del self._sent[state.number]
            for key, line in again:
                self._gather(state.endpoint, key, line)
            self._end(state)
        except OpenCoderError as error:  # the batch stays noted, for the next run
            self._sent.pop(state.number, None)
            self._fail(keys, error)

    async def _begun(self, state: BatchState) -> BatchState:
        """Upload and begin a batch, noting each step; an uploaded file of a former run is only looked for.

        Returns:
            The state; without a batch id where that run was killed before it began one.
        """
        if state.batch_id:
            return state
        if state.file_id:
            found = await self._server.find(state.file_id)
            return state if found is None else self._noted(state, batch_id=found)
        state = self._noted(state, file_id=await self._server.upload(self._path(state.number)))
        return self._noted(state, batch_id=await self._server.create(state.file_id, state.endpoint))

    def _take(self, result: ResultLine, reasons: dict[str, str]) -> OpenCoderError | None:
        """Put one result into the journal, if it settles its request, and tell those who wait.

        Returns:
            An error that says that no request can work.
        """
        key = result.custom_id
        if key in self._journal:
            return None
        if result.response is None:
            error = result.error
            reasons[key] = (error and (error.message or error.code)) or "no answer"
            return None
        content = bytes(result.response.body)
        try:
            if result.response.status_code != 200:
                reasons[key] = failure_of(result.response.status_code, {}, content).reason
                return None
            entry = self._entry(key, response=self._answer(parse_answer(content), key))
        except msgspec.DecodeError as damaged:
            reasons[key] = f"an answer that cannot be read ({damaged})"
            return None
        except Refused as refused:
            told = error_of(refused, tag=key, url=self._server.url, model=self._model, served=[])
            if not isinstance(told, RequestError):
                return told
            entry = self._entry(key, error=str(told).removeprefix(f"{key}: "))
        self._journal.add(entry)
        for future in self._waiting(key):
            future.set_result(entry)
        return None

    def _answer(self, answer: WireAnswer, key: str) -> Response:
        usage = answer.usage
        return Response(
            choices=[
                Choice(
                    text=row.content,
                    finish_reason=row.finish_reason or "stop",
                    top_logprobs=row.first_logprobs,
                )
                for row in answer.choices
            ],
            model=self.name,
            tokens_in=(usage.prompt_tokens or 0) if usage else 0,
            tokens_cached=usage.cached_tokens if usage else 0,
            tokens_out=(usage.completion_tokens or 0) if usage else 0,
            attempts=1 + self._tries.pop(key, 0),
        )

    def _entry(self, key: str, *, response: Response | None = None, error: str = "") -> Entry:
        status: Ending = "answered" if response else "refused"
        return Entry(key=key, tag="", status=status, at=time.time(), response=response, error=error)

    def _unanswered(self, state: BatchState, reasons: dict[str, str]) -> list[tuple[str, bytes]]:
        """Return the requests to send again; who waits for one that was sent often enough is told."""
        again: list[tuple[str, bytes]] = []
        for key, line in read_requests(self._path(state.number)):
            if key in self._journal or not self._waiting(key):
                continue
            tries = self._tries[key] = self._tries.get(key, 0) + bool(state.batch_id)
            if tries < self._options.rounds:
                again.append((key, line))
                continue
            reason = reasons.get(key, "it was left out")
            said = (
                f"{self._server.url}: {tries} batches brought no answer, last: {reason}; run again to go on"
            )
            self._fail({key}, InfraError(said))
            del self._tries[key]
        return again

    def _waiting(self, key: str) -> list[asyncio.Future[Entry]]:
        return [future for future in self._waiters.get(key, ()) if not future.done()]

    def _fail(self, keys: set[str], error: BaseException) -> None:
        for key in keys:
            for future in self._waiting(key):
                future.set_exception(error)

    def _noted(self, state: BatchState, **changes: str) -> BatchState:
        state = msgspec.structs.replace(state, at=time.time(), **changes)
        self._log.add(state)
        return state

    def _end(self, state: BatchState) -> None:
        """Note that nothing more comes of a batch."""
        self._log.add(msgspec.structs.replace(state, done=True, at=time.time()))
        self._path(state.number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._options.folder / f"{number:05}.jsonl"


def _limit_name(request: Request) -> str:
    """Return what hosted models call the limit: chats of all take the newer name, of some only that."""
    return "max_tokens" if request.prompt is not None else "max_completion_tokens"


def _response(entry: Entry, request: Request) -> Response:
    """Give what the batch brought.

    Raises:
        RequestError: The request can never work.
    """
    response = entry.response
    if response is None:
        raise RequestError(entry.error, tag=request.tag)
    wanted = request.sampling.n
    if len(response.choices) < wanted:
        raise RequestError(
            f"the batch brought {len(response.choices)} of {wanted} samples; ask for one at a time",
            tag=request.tag,
        )
    if request.top_logprobs and any(row.top_logprobs is None for row in response.choices):
        raise RequestError("the batch brought no log-probabilities; ask for words", tag=request.tag)
    return msgspec.structs.replace(response, prefilled=bool(request.prefill) and request.prompt is not None)
