"""The JSON of OpenAI-compatible servers: bodies out, answers in, errors sorted.

Bodies are encoded and answers decoded by msgspec, which costs a fraction of building the client's own
response objects; an answer that does not have the expected form counts as damaged on the way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from opencoder.errors import OpenCoderError, UserError
from opencoder.llm.api import Request, RequestError
from opencoder.llm.retry import OVERLOAD_STATUS, RETRYABLE_STATUS, Failure, Refused, retry_after_s

CHAT_PATH = "/chat/completions"
COMPLETION_PATH = "/completions"

_NO_CHAT = re.compile(r"chat[ _]template|not a chat model|not support chat|/v1/completions", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model\b.*(does not exist|not found|not exist|no access)|model_not_found", re.IGNORECASE
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)
_SCHEMA = re.compile(r"response_format|json_schema|structured[ _]outputs?", re.IGNORECASE)
_BAD_SCHEMA = re.compile(r"invalid[ _](json[ _])?schema", re.IGNORECASE)
_MAX_MESSAGE = 300


class _Message(msgspec.Struct):
    content: str | None = None


class _Candidate(msgspec.Struct):
    token: str
    logprob: float


class _Position(msgspec.Struct):
    top_logprobs: list[_Candidate] = []


class _Logprobs(msgspec.Struct):
    # A list of positions: objects under ``content`` in chats, tables under ``top_logprobs`` in completions.
    content: list[_Position] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class WireChoice(msgspec.Struct):
    """One choice of either endpoint."""

    index: int = 0
    text: str | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    @property
    def content(self) -> str:
        """The text, wherever the endpoint put it."""
        if self.message is not None:
            return self.message.content or ""
        return self.text or ""

    @property
    def first_logprobs(self) -> dict[str, float] | None:
        """The candidates for the first token, where the server told any."""
        if self.logprobs is None:
            return None
        if self.logprobs.content:
            return {row.token: row.logprob for row in self.logprobs.content[0].top_logprobs}
        return (self.logprobs.top_logprobs or [None])[0]


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """Token counts of one call."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that came out of the provider's prefix cache."""
        details = self.prompt_tokens_details
        return (details.cached_tokens or 0) if details else 0


class WireAnswer(msgspec.Struct):
    """The fields that are read of an answer of ``/completions`` and ``/chat/completions``."""

    choices: list[WireChoice]
    usage: WireUsage | None = None


class WireModel(msgspec.Struct):
    """One row of ``/models``; ``root`` is what vLLM loaded under the name ``id``."""

    id: str
    root: str | None = None


class WireModels(msgspec.Struct):
    """The answer of ``/models``."""

    data: list[WireModel]


_ANSWER = msgspec.json.Decoder(WireAnswer)
_MODELS = msgspec.json.Decoder(WireModels)


def body_of(
    request: Request, *, model: str, max_tokens_name: str, prefill: bool
) -> tuple[str, dict[str, object]]:
    """Write a request down for the endpoint that it belongs to.

    Args:
        request: A request with either a prompt or messages.
        model: The name on the server.
        max_tokens_name: ``max_tokens``, or ``max_completion_tokens`` where the server insists on it.
        prefill: Ask a chat endpoint to go on with ``request.prefill`` (an extension of vLLM and SGLang).

    Returns:
        The path and the JSON object.

    Raises:
        UserError: The request has both a prompt and messages, or neither.
    """
    if (request.prompt is None) == (not request.messages):
        raise UserError(f"{request.tag}: a request needs either a prompt or messages")
    sampling = request.sampling
    body: dict[str, object] = {
        "model": model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        max_tokens_name: sampling.max_tokens,
        "n": sampling.n,
    }
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if request.schema is not None:
        shape = {"name": "answer", "schema": request.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    if request.prompt is not None:
        body["prompt"] = request.prompt + request.prefill
        if request.top_logprobs:
            body["logprobs"] = request.top_logprobs
        return COMPLETION_PATH, body
    if request.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    turns = [{"role": message.role, "content": message.content} for message in request.messages]
    if prefill and request.prefill:
        turns.append({"role": "assistant", "content": request.prefill})
        body["continue_final_message"] = True
        body["add_generation_prompt"] = False
    body["messages"] = turns
    return CHAT_PATH, body


def parse_answer(content: bytes) -> WireAnswer:
    """Read an answer.

    Raises:
        msgspec.DecodeError: It is cut off, is no JSON, or has no choices.
    """
    answer = _ANSWER.decode(content)
    if not answer.choices:
        raise msgspec.ValidationError("the list of choices is empty")
    answer.choices.sort(key=lambda choice: choice.index)
    return answer


def parse_models(content: bytes) -> list[WireModel]:
    """Read the list of models; empty where the server has none that can be read."""
    try:
        return _MODELS.decode(content).data
    except msgspec.DecodeError:
        return []


def failure_of(status: int, headers: Mapping[str, str], content: bytes) -> Failure:
    """Sort an error answer: worth another try or not.

    Returns:
        What to wait for.

    Raises:
        Refused: Sending the same again is of no use.
    """
    message, code = _error_text(content)
    retryable = status in RETRYABLE_STATUS or status >= 500
    if not retryable or _QUOTA.search(f"{code} {message}"):
        raise Refused(status, message, code)
    return Failure(
        reason=f"HTTP {status}" + (f" ({message})" if message else ""),
        overload=status in OVERLOAD_STATUS,
        retry_after_s=retry_after_s(headers),
    )


def _error_text(content: bytes) -> tuple[str, str]:
    """Find message and code: in OpenAI's ``error``, in vLLM's flat form, in FastAPI's ``detail``."""
    try:
        body = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return _one_line(content[:_MAX_MESSAGE].decode("utf-8", "replace")), ""
    if not isinstance(body, dict):
        return _one_line(str(body)), ""
    error = body.get("error", body)
    if not isinstance(error, dict):
        return _one_line(str(error)), ""
    message = error.get("message") or error.get("detail") or ""
    code = error.get("code") or error.get("type") or ""
    return _one_line(str(message)), str(code)


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MAX_MESSAGE else flat[: _MAX_MESSAGE - 3] + "..."


def wants_completion(refused: Refused) -> bool:
    """Tell whether a refused chat request means: ask me with a text to continue.

    That is a base model without a chat template (vLLM: 400), or a server without the endpoint (404, 405).
    """
    if refused.status not in (400, 404, 405, 422):
        return False
    if _NO_CHAT.search(refused.message):
        return True
    return refused.status in (404, 405) and not is_unknown_model(refused)


def wants_other_limit(refused: Refused) -> bool:
    """Tell whether the server only objects to the name ``max_tokens``."""
    return refused.status == 400 and "max_completion_tokens" in refused.message


def wants_no_schema(refused: Refused) -> bool:
    """Tell whether the server knows no JSON schemas, and not just not this one."""
    said = refused.message
    return refused.status in (400, 422, 501) and bool(_SCHEMA.search(said)) and not _BAD_SCHEMA.search(said)


def is_unknown_model(refused: Refused) -> bool:
    """Tell whether the server does not know the model."""
    return refused.status == 404 and bool(_NO_MODEL.search(f"{refused.message} {refused.code}"))


def error_of(refused: Refused, *, tag: str, url: str, model: str, served: list[str]) -> OpenCoderError:
    """Put a refusal into words for the user.

    Args:
        refused: What the server said.
        tag: The unit that was asked for.
        url: Address of the server.
        model: The name that was asked for.
        served: The names that the server offers, as far as it says.

    Returns:
        A ``RequestError`` if only this request is bad, else a ``UserError``.
    """
    said = refused.message or "no reason given"
    if refused.status in (401, 403):
        # The server's own words may repeat a part of the key.
        return UserError(
            f"{url} refused the key (HTTP {refused.status}); set OPENAI_API_KEY to one that is valid there"
        )
    if _QUOTA.search(f"{refused.code} {refused.message}"):
        return UserError(f"{url}: the quota of this key is used up ({said}); add credit or use another key")
    if is_unknown_model(refused):
        offer = f"it offers {', '.join(served[:10])}" if served else "ask it with GET /models"
        return UserError(f"{url} has no model {model!r}; {offer}")
    if _NO_CHAT.search(refused.message):
        return UserError(f"{url} takes no chat requests for {model} ({said}); ask for completion style")
    if refused.status in (400, 413, 422):
        return RequestError(f"{url} refused the request (HTTP {refused.status}: {said})", tag=tag)
    return UserError(
        f"{url} answered HTTP {refused.status} ({said}); check the base URL, it usually ends with /v1"
    )
