"""A model that is never asked the same twice: what it said stands in a journal."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from opencoder.errors import InfraError, UserError
from opencoder.llm.api import Model, Request, RequestError, Response, Style
from opencoder.llm.journal import Entry, Journal


@dataclass(kw_only=True, slots=True)
class Usage:
    """What was asked and what it took.

    Attributes:
        asked: Requests that went to the model and were answered.
        replayed: Requests whose answer, or refusal, stood in the journal.
        refused: Requests that went to the model and can never work.
        failed: Requests that went to the model, which failed for now.
        attempts: Calls made for the requests that were answered.
        tokens_in: Prompt tokens of what was asked.
        tokens_cached: Those among them that the provider had in its prefix cache.
        tokens_out: Tokens of the answers to what was asked.
    """

    asked: int = 0
    replayed: int = 0
    refused: int = 0
    failed: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0

    def add(self, response: Response) -> None:
        """Count an answer that was asked for."""
        self.asked += 1
        self.attempts += response.attempts
        self.tokens_in += response.tokens_in
        self.tokens_cached += response.tokens_cached
        self.tokens_out += response.tokens_out


class JournaledModel:
    """``model`` behind ``journal`` (see :class:`opencoder.llm.api.Model`).

    Equal requests in flight at once are sent once, so that what a row gets does not depend on timing.

    Args:
        model: Who is asked what the journal does not know; None asks nobody (replay).
        journal: Where answers are looked up and written down. It is not closed here.
        name: Name of the model, for keys, where ``model`` is None.
        style: How the model is asked, where ``model`` is None.
        reuse_stopped: Take an answer that ended by itself for any larger ``max_tokens`` as well.
    """

    def __init__(
        self,
        model: Model | None,
        journal: Journal,
        *,
        name: str = "",
        style: Style = "chat",
        reuse_stopped: bool = False,
    ) -> None:
        self.name = model.name if model else name
        self.usage = Usage()
        self._model = model
        self._journal = journal
        self._style: Style = style
        self._reuse_stopped = reuse_stopped
        self._in_flight: dict[str, asyncio.Future[Response]] = {}

    @property
    def revision(self) -> str:
        """What exactly answers, as the model under it tells."""
        return self._model.revision if self._model else ""

    async def complete(self, request: Request) -> Response:
        """Answer from the journal, or ask and write down before returning.

        Raises:
            RequestError: This request can never work; that too is in the journal.
            UserError: No request can work, or nobody can be asked.
            DependencyError: The provider cannot be reached, or the disk is full.
            InfraError: The provider failed, also after retries.
        """
        key = request.key(self.name)
        while (running := self._in_flight.get(key)) is not None:
            await asyncio.wait((running,))
        if (entry := self._known(key, request)) is not None:
            self.usage.replayed += 1
            return _answer(entry, request)
        done = self._in_flight[key] = asyncio.get_running_loop().create_future()
        try:
            return await self._ask(key, request)
        finally:
            del self._in_flight[key]
            done.cancel()

    async def style(self) -> Style:
        """Say how the model wants to be asked."""
        return await self._model.style() if self._model else self._style

    async def aclose(self) -> None:
        """Close the model."""
        if self._model:
            await self._model.aclose()

    def _known(self, key: str, request: Request) -> Entry | None:
        entry = self._journal.get(key)
        if entry is None and self._reuse_stopped:
            loose = self._journal.get(request.loose_key(self.name))
            if loose and loose.response and loose.response.tokens_out <= request.sampling.max_tokens:
                return loose
        return entry

    async def _ask(self, key: str, request: Request) -> Response:
        if self._model is None:
            raise UserError(
                f"{self._journal.folder} has no answer to this request for {request.tag}: prompt, sampling "
                "or seed differ from that run; repeat its settings, or ask the model itself"
            )
        try:
            response = await self._model.complete(request)
        except RequestError as error:
            self.usage.refused += 1
            said = str(error).removeprefix(f"{request.tag}: ")
            self._journal.add(Entry(key=key, tag=request.tag, status="refused", at=time.time(), error=said))
            raise
        except InfraError as error:
            self.usage.failed += 1
            self._journal.add(
                Entry(key=key, tag=request.tag, status="failed", at=time.time(), error=str(error))
            )
            raise
        self.usage.add(response)
        stopped = self._reuse_stopped and all(one.finish_reason == "stop" for one in response.choices)
        self._journal.add(
            Entry(
                key=key,
                loose_key=request.loose_key(self.name) if stopped else "",
                tag=request.tag,
                status="answered",
                at=time.time(),
                response=response,
            )
        )
        return response


def _answer(entry: Entry, request: Request) -> Response:
    """Give what the journal says.

    Raises:
        RequestError: It says that the request can never work.
    """
    if entry.response is None:
        raise RequestError(entry.error, tag=request.tag)
    return entry.response
