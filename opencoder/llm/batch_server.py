"""The calls of OpenAI's Batch API: upload, create, wait, download."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI
from openai.types import Batch

from opencoder.errors import InfraError, OpenCoderError, UserError
from opencoder.files import reading_from
from opencoder.llm.batch_files import ResultLine, parse_result
from opencoder.llm.openai_wire import error_of, failure_of
from opencoder.llm.retry import Refused

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""A batch in one of these states changes no more."""

LONGEST_PAUSE_S = 60.0
_TRIES = 3
_PASSING = frozenset({"token_limit_exceeded", "rate_limit_exceeded", "server_error"})


class BatchServer:
    """A server with the Batch API.

    Args:
        client: Closed by whoever made it.
        model: The model's name, for messages.
        retries: How often a call that changes nothing is repeated.
    """

    def __init__(self, client: AsyncOpenAI, *, model: str, retries: int) -> None:
        self.url = str(client.base_url).rstrip("/")
        self._model = model
        self._client = client
        self._again = client.with_options(max_retries=retries)

    async def upload(self, path: Path) -> str:
        """Upload a file of requests.

        Returns:
            The file's id.

        Raises:
            InfraError: The server failed, also after retries.
            UserError: It refused.
        """
        try:
            with reading_from(path), path.open("rb") as file:
                return (await self._again.files.create(file=(path.name, file), purpose="batch")).id
        except APIError as error:
            raise self._problem(error) from error

    async def create(self, file_id: str, endpoint: Any) -> str:
        """Begin a batch with an uploaded file.

        A call whose answer was lost may have begun it: so the server's list is looked through before a second
        one is begun and paid for.

        Returns:
            The batch's id.

        Raises:
            InfraError: The server failed, also after retries.
            UserError: It refused.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                made = await self._client.batches.create(
                    input_file_id=file_id, endpoint=endpoint, completion_window="24h"
                )
                return made.id
            except APIConnectionError as error:
                if (found := await self.find(file_id)) is not None:
                    return found
                if attempt == _TRIES:
                    raise self._problem(error) from error
            except APIError as error:
                raise self._problem(error) from error

    async def find(self, file_id: str) -> str | None:
        """Return the id of the batch that was begun with a file, if one was.

        Raises:
            InfraError: The server failed, also after retries.
            UserError: It refused.
        """
        try:
            async for batch in self._again.batches.list(limit=100):
                if batch.input_file_id == file_id:
                    return batch.id
        except APIError as error:
            raise self._problem(error) from error
        return None

    async def wait(self, batch_id: str, *, pause_s: float) -> Batch:
        """Wait until a batch has ended, which takes up to 24 hours.

        Args:
            batch_id: The batch.
            pause_s: Between the first two looks; it grows by half each time, up to 60 s.

        Raises:
            InfraError: The server failed, also after retries.
            UserError: It refused.
        """
        while True:
            try:
                batch = await self._again.batches.retrieve(batch_id)
            except APIError as error:
                raise self._problem(error) from error
            if batch.status in ENDED:
                return batch
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 1.5 * pause_s)

    async def results(self, file_id: str) -> AsyncIterator[ResultLine]:
        """Yield the results of a file; a download that breaks is begun anew, and yields some of them again.

        Raises:
            InfraError: It broke each time.
            UserError: The server refused.
        """
        for attempt in range(_TRIES):
            try:
                async for line in self._lines(file_id):
                    yield parse_result(line)
                return
            except APIError as error:
                raise self._problem(error) from error
            except (httpx2.TransportError, msgspec.DecodeError) as error:
                if attempt == _TRIES - 1:
                    raise InfraError(
                        f"{self.url}: results {file_id} cannot be read ({error}); run again to go on"
                    ) from error

    async def _lines(self, file_id: str) -> AsyncIterator[bytes]:
        # Not iter_lines: it also parts at characters that may stand inside a JSON text.
        rest = b""
        async with self._again.files.with_streaming_response.content(file_id) as response:
            async for chunk in response.iter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    yield line
        if rest:
            yield rest

    def refusal(self, batch: Batch) -> UserError | None:
        """Return why an ended batch was turned away as a whole, if it was and another would be too."""
        errors = (batch.errors.data if batch.errors else None) or []
        if batch.status != "failed" or not errors or errors[0].code in _PASSING:
            return None
        said = errors[0].message or errors[0].code or "no reason given"
        return UserError(f"{self.url} refused the batch {batch.id} ({said}); see to it, then run again")

    def _problem(self, error: APIError) -> OpenCoderError:
        reason = str(error.__cause__ or error.message)
        if isinstance(error, APIStatusError):
            try:
                reason = failure_of(error.status_code, error.response.headers, error.response.content).reason
            except Refused as refused:
                told = error_of(refused, tag="batch", url=self.url, model=self._model, served=[])
                return UserError(str(told))  # never a RequestError: no single request is at fault
        return InfraError(f"{self.url}: the Batch API failed ({reason}); run again to go on")
