"""The files of OpenAI's Batch API: requests out, results in, and what became of each batch.

A request is a line ``{"custom_id", "method", "url", "body"}``, a result a line ``{"custom_id", "response",
"error"}``. One file holds requests to one endpoint and one model, at most 50,000 of them and 200 MB (OpenAI's
guide to the Batch API). ``custom_id`` is the key of the request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from opencoder.errors import DataError
from opencoder.files import reading_from, writing_to
from opencoder.store import JsonlAppender, read_jsonl

MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """How requests are put together and waited for.

    Attributes:
        folder: Where batches and answers are written down; a later run with it goes on where this one ended.
        gather_s: A batch is sent when no new request has come for so long.
        poll_s: Pause between the first two looks at a batch; it grows up to 60 s.
        rounds: How often a request is sent that came back without an answer (expired, server error).
        max_requests: Requests in a file at most.
        max_bytes: Bytes of a file at most.
    """

    folder: Path
    gather_s: float = 5.0
    poll_s: float = 5.0
    rounds: int = 3
    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BYTES


class RequestLine(msgspec.Struct, frozen=True):
    """One request in a file."""

    custom_id: str
    url: str
    body: dict[str, object]
    method: str = "POST"


class ResultResponse(msgspec.Struct, frozen=True):
    """What the endpoint answered."""

    status_code: int
    body: msgspec.Raw


class ResultError(msgspec.Struct, frozen=True):
    """Why the endpoint was not asked (``batch_expired``, ...)."""

    code: str | None = None
    message: str | None = None


class ResultLine(msgspec.Struct, frozen=True):
    """One result; they come in any order, in an output file and an error file."""

    custom_id: str
    response: ResultResponse | None = None
    error: ResultError | None = None


class BatchState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one batch; the last line of its number counts.

    Attributes:
        number: From 1 on; names the file of its requests, ``00001.jsonl``.
        endpoint: Where its requests go, ``/v1/chat/completions``.
        file_id: Of the uploaded requests; empty before.
        batch_id: Of the batch; empty before it is known to be there.
        done: Its results are in the journal.
        at: When this was written, in Unix seconds.
    """

    number: int
    endpoint: str
    file_id: str = ""
    batch_id: str = ""
    done: bool = False
    at: float = 0.0


_RESULT = msgspec.json.Decoder(ResultLine)
_REQUEST = msgspec.json.Decoder(RequestLine)
_ENCODER = msgspec.json.Encoder()


class RequestFile:
    """The requests of one batch that is being gathered.

    Args:
        path: Overwritten if it is there.
        endpoint: Where the requests go.
        max_requests: The file is full with so many requests ...
        max_bytes: ... or where the next one would exceed so many bytes.
    """

    def __init__(self, path: Path, endpoint: str, *, max_requests: int, max_bytes: int) -> None:
        self.path = path
        self.endpoint = endpoint
        self.keys: set[str] = set()
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._num_bytes = 0
        with writing_to(path):
            self._file = path.open("wb")

    def takes(self, line: bytes) -> bool:
        """Tell whether there is room for a line."""
        room = self._num_bytes + len(line) <= self._max_bytes or not self.keys
        return room and len(self.keys) < self._max_requests

    def add(self, key: str, line: bytes) -> None:
        """Add a request whose key is not in yet."""
        with writing_to(self.path):
            self._file.write(line)
        self.keys.add(key)
        self._num_bytes += len(line)

    def close(self) -> None:
        """End the file and put it on disk."""
        with writing_to(self.path), self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


class BatchLog:
    """The states of all batches of a run, on disk before the next step is taken.

    Args:
        path: A JSON lines file; made if need be.
    """

    def __init__(self, path: Path) -> None:
        self.states: dict[int, BatchState] = {}
        self._file = JsonlAppender(path, sync_s=0.0)
        for state in read_jsonl(path, BatchState):
            self.states[state.number] = state

    def add(self, state: BatchState) -> None:
        """Write a state down."""
        self._file.append(state)
        self.states[state.number] = state

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def request_line(key: str, url: str, body: dict[str, object]) -> bytes:
    """Return the line of a request."""
    return _ENCODER.encode(RequestLine(custom_id=key, url=url, body=body)) + b"\n"


def read_requests(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield key and line of each request of a file.

    Raises:
        DataError: It cannot be read.
    """
    with reading_from(path), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                key = _REQUEST.decode(line).custom_id
            except msgspec.DecodeError as error:
                raise DataError(
                    f"no request of a batch ({error}); put the file back", path=path, line=number
                ) from error
            yield key, line


def parse_result(line: bytes) -> ResultLine:
    """Read a result.

    Raises:
        msgspec.DecodeError: It is cut off or is none.
    """
    return _RESULT.decode(line)
