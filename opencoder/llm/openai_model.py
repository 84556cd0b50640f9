"""Any server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, TGI, hosted ones.

The ``openai`` package carries the calls; repetition, flow control and parsing are done here, so that every
call is counted and an answer that is cut off is asked for again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec
from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI

from opencoder.errors import DependencyError, InfraError
from opencoder.llm.api import Choice, Request, RequestError, Response, Sampling, Style, check_drawn
from opencoder.llm.breaker import Breaker
from opencoder.llm.limiter import Limiter
from opencoder.llm.openai_http import Answer
from opencoder.llm.openai_wire import (
    CHAT_PATH,
    WireAnswer,
    WireChoice,
    body_of,
    error_of,
    failure_of,
    parse_answer,
    parse_models,
    wants_completion,
    wants_no_schema,
    wants_other_limit,
)
from opencoder.llm.retry import Failure, Refused, RetryPolicy
from opencoder.llm.server_traits import ServerTraits, probe_traits
from opencoder.log import logger
from opencoder.records import Message

MAX_N = 128
"""OpenAI's limit for ``n``; more samples are asked for in several calls."""

_FIRST_CONTACT: Final[Any] = {"timeout": 20.0}


class _Served(msgspec.Struct):
    """The answer of one call and what it took."""

    answer: WireAnswer
    attempts: int
    latency_s: float


class OpenAIModel:
    """A model behind an OpenAI-compatible server.

    Args:
        model: The model's name on the server.
        client: An ``AsyncOpenAI`` with ``max_retries=0``; closed by :meth:`aclose`.
        concurrency: The most calls in flight.
        policy: How failed calls are repeated.
        style: How the model is asked; None finds out with a one-token chat request.
        prefill: The server can continue an assistant's turn (vLLM, SGLang).

    Attributes:
        max_n: The most samples that one call asks for; lowered when the server gives fewer.
    """

    def __init__(
        self,
        model: str,
        client: AsyncOpenAI,
        *,
        concurrency: int,
        policy: RetryPolicy,
        style: Style | None = None,
        prefill: bool = False,
    ) -> None:
        self.name = f"openai/{model}"
        self.revision = ""
        self.url = str(client.base_url).rstrip("/")
        self.limiter = Limiter(concurrency)
        self.breaker = Breaker(policy.patience_s)
        self._model = model
        self._client = client
        self._policy = policy
        self._style: Style | None = style
        self._prefill = prefill
        self._served: list[str] = []
        self._max_tokens_name = "max_tokens"
        self.max_n = MAX_N
        self._takes_schema = True
        self._traits: ServerTraits | None = None
        self._connected = False
        self._lock = asyncio.Lock()

    async def complete(self, request: Request) -> Response:
        """Draw ``sampling.n`` samples; see :class:`opencoder.llm.api.Model`.

        A server may give fewer samples than asked for (some ignore ``n``): the rest is asked for again with
        other seeds, and from then on no call asks for more than the server gives.
        """
        check_drawn(request.sampling)
        if not self._connected:
            await self._connect()
        served = await self._draw(request, 0, request.sampling.n)
        choices = [choice for part in served for choice in part.answer.choices][: request.sampling.n]
        usages = [part.answer.usage for part in served if part.answer.usage is not None]
        return Response(
            choices=[_choice(choice, request) for choice in choices],
            model=self.name,
            tokens_in=sum(usage.prompt_tokens or 0 for usage in usages),
            tokens_cached=sum(usage.cached_tokens for usage in usages),
            tokens_out=sum(usage.completion_tokens or 0 for usage in usages),
            latency_s=max(part.latency_s for part in served),
            attempts=1 + sum(part.attempts - 1 for part in served),
            prefilled=bool(request.prefill) and (self._prefill or request.prompt is not None),
        )

    async def style(self) -> Style:
        """Find out whether the model takes chats: send one and look whether it is refused.

        Raises:
            UserError: The server refused it for another reason.
        """
        if self._style is None:
            await self._connect()
            async with self._lock:
                if self._style is None:
                    self._style = await self._probe()
        return self._style

    async def probe(self) -> ServerTraits:
        """Find out, once, what the server honours; costs six short requests.

        Raises:
            UserError: No request can work.
            DependencyError: Nobody listens.
        """
        if self._traits is None:
            self._traits = await probe_traits(self)
        return self._traits

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _probe(self) -> Style:
        hello = Request(tag="probe", messages=(Message("user", "Hello"),), sampling=Sampling(max_tokens=1))
        try:
            await self._send(hello)
        except Refused as refused:
            if wants_completion(refused):
                return "completion"
            raise self._error(refused, "the one-token request that finds the prompt style") from None
        return "chat"

    async def _draw(self, request: Request, offset: int, n: int) -> list[_Served]:
        """Collect the samples ``offset`` to ``offset + n`` in as few calls as the server allows.

        Part k of a request has the same seed whether the server's limit was known before or found out on the
        way, so a run repeats itself.
        """
        size = self.max_n
        if n > size:
            starts = range(0, n, size)
            calls = [self._draw(request, offset + start, min(size, n - start)) for start in starts]
            return [part for parts in await _together(calls) for part in parts]
        try:
            served = await self._send(request.part(offset, n))
        except Refused as refused:
            raise self._error(refused, request.tag) from None
        got = len(served.answer.choices)
        if got >= n:
            return [served]
        self.max_n = min(self.max_n, got)
        return [served, *await self._draw(request, offset + got, n - got)]

    async def _send(self, request: Request) -> _Served:
        """Send one request, repeated as often as the policy allows.

        A server that knows no schemas is asked without one from then on; what it says is then not held to
        the schema, which whoever reads the answer has to look at in any case.

        Raises:
            Refused: The server will not do it.
            InfraError: It never worked.
        """
        if request.schema is not None and not self._takes_schema:
            request = msgspec.structs.replace(request, schema=None)
        path, body = body_of(
            request, model=self._model, max_tokens_name=self._max_tokens_name, prefill=self._prefill
        )
        try:
            return await self._repeat(path, msgspec.json.encode(body), request.tag)
        except Refused as refused:
            if path == CHAT_PATH and "max_tokens" in body and wants_other_limit(refused):
                self._max_tokens_name = "max_completion_tokens"
            elif request.schema is not None and wants_no_schema(refused):
                self._drop_schemas(refused)
            else:
                raise
        return await self._send(request)

    def _drop_schemas(self, refused: Refused) -> None:
        if self._takes_schema:
            logger.warning("%s takes no JSON schemas (%s); asking without them", self.url, refused.message)
        self._takes_schema = False

    async def _repeat(self, path: str, content: bytes, tag: str) -> _Served:
        attempt = spent = 0
        while True:
            attempt += 1
            started = await self.limiter.acquire()
            begin = time.perf_counter()
            try:
                outcome = await self._call(path, content)
            finally:
                self.limiter.release()
            if isinstance(outcome, WireAnswer):
                self.limiter.answered()
                self.breaker.answered()
                return _Served(outcome, attempt, time.perf_counter() - begin)
            if outcome.overload:
                self.limiter.overloaded(started, outcome.retry_after_s)
            if self._is_down(outcome):
                continue
            spent += 1
            pause_s = self._policy.pause_s(spent, outcome.retry_after_s)
            if spent > self._policy.retries or self.breaker.gave_up:
                raise InfraError(
                    f"{tag}: {self.url} failed {attempt} times, last with: {outcome.reason}; "
                    "see to the server, then run again to go on"
                )
            await asyncio.sleep(pause_s)

    def _is_down(self, failure: Failure) -> bool:
        """Tell whether a failed call says more of the server than of its request; then all calls pause."""
        pause = self.breaker.failed(asyncio.get_running_loop().time())
        if pause is None:
            return False
        if pause.begins:
            said = "%s: %d calls in a row failed, last with: %s; trying again in %.0f s"
            logger.warning(said, self.url, self.breaker.num_failed, failure.reason, pause.seconds)
        self.limiter.probe_after(pause.seconds)
        return True

    async def _call(self, path: str, content: bytes) -> WireAnswer | Failure:
        """Make one call.

        Raises:
            Refused: The server answered that it will not do it.
        """
        try:
            # Asked for the response itself, the package neither looks into it nor builds objects of it.
            answer = await self._client.post(self.url + path, cast_to=httpx2.Response, content=content)
            return parse_answer(answer.body if isinstance(answer, Answer) else await answer.aread())
        except APIStatusError as error:
            return failure_of(error.status_code, error.response.headers, error.response.content)
        except APITimeoutError as error:
            late = isinstance(error.__cause__, httpx2.ReadTimeout)
            return Failure(reason="no answer in time" if late else _cause(error))
        except APIConnectionError as error:
            return Failure(reason=_cause(error))
        except msgspec.DecodeError as error:
            return Failure(reason=f"an answer that cannot be read ({error})")

    async def _connect(self) -> None:
        """Ask for the list of models: is there a server at all?

        Only silence is an error. A server may have no such list; a refused key shows with the first request.

        Raises:
            DependencyError: Nobody listens.
        """
        async with self._lock:
            if self._connected:
                return
            try:
                content = await self._client.get("/models", cast_to=bytes, options=_FIRST_CONTACT)
            except APIStatusError:
                pass
            except APIConnectionError as error:
                if _is_silence(error):
                    raise self._unreachable(error) from None
            else:
                for row in parse_models(content):
                    self._served.append(row.id)
                    if row.id == self._model and row.root not in (None, row.id):
                        self.revision = row.root or ""
            self._connected = True

    def _error(self, refused: Refused, tag: str) -> Exception:
        return error_of(refused, tag=tag, url=self.url, model=self._model, served=self._served)

    def _unreachable(self, error: APIConnectionError) -> DependencyError:
        address = urlsplit(self.url)
        if address.hostname == "api.openai.com":
            repair = f"curl -sS {self.url}/models"
        else:
            repair = f"vllm serve {self._model} --port {address.port or 8000}"
        return DependencyError(f"no model server answers at {self.url} ({_cause(error)})", repair=repair)


async def _together(calls: Sequence[Coroutine[Any, Any, list[_Served]]]) -> list[list[_Served]]:
    """Await all; the first error cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _choice(choice: WireChoice, request: Request) -> Choice:
    """Make a sample of a choice.

    Raises:
        RequestError: Log-probabilities were asked for and the server gave none.
    """
    logprobs = choice.first_logprobs if request.top_logprobs else None
    if request.top_logprobs and logprobs is None:
        raise RequestError(
            "the server gives no log-probabilities; ask for an answer in words", tag=request.tag
        )
    reason = choice.finish_reason or "stop"
    return Choice(text=choice.content, finish_reason=reason, top_logprobs=logprobs)


def _is_silence(error: APIConnectionError) -> bool:
    """Tell whether nobody listens; a server that hangs up is one."""
    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)


def _cause(error: APIConnectionError) -> str:
    cause = error.__cause__
    return str(cause) or type(cause).__name__ if cause is not None else error.message
