"""What a model is to the rest of the program: a request goes in, a response comes out.

Nothing in here knows a provider. A caller builds a :class:`Request`, hands it to a :class:`Model` and gets a
:class:`Response` or one of three errors:

* :class:`RequestError`: this one request can never work, others may (a prompt that is too long);
* ``UserError`` / ``DependencyError``: no request can work (wrong key, unknown model, no server);
* ``InfraError``: the provider failed for a while; the request may be sent again later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import msgspec

from opencoder.errors import UserError
from opencoder.records import Form, Message

Style = Literal["chat", "completion", "none"]
"""How a model wants to be asked: with turns, with a text to continue, or not at all (it has its answers)."""


class RequestError(UserError):
    """One request that will never work, however often it is sent; the others are not affected.

    Args:
        message: What is wrong and what to do.
        tag: The unit that the request belongs to.
    """

    def __init__(self, message: str, *, tag: str) -> None:
        super().__init__(f"{tag}: {message}")
        self.tag = tag


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How tokens are drawn."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    n: int = 1
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that no provider accepts, before anything is sent.

        Raises:
            UserError: A value is outside its range.
        """
        if not 0.0 <= self.temperature <= 2.0:
            raise UserError(f"temperature is {self.temperature}; give a number from 0 to 2")
        if not 0.0 < self.top_p <= 1.0:
            raise UserError(f"top_p is {self.top_p}; give a number above 0 and up to 1")
        if self.max_tokens < 1:
            raise UserError(f"max_tokens is {self.max_tokens}; give at least 1")
        if self.n < 1:
            raise UserError(f"n is {self.n}; give at least 1")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt and the samples wanted for it.

    Attributes:
        tag: The unit it belongs to, a task id as a rule; part of messages, not of the key.
        sample_id: The index of the first of the ``sampling.n`` samples.
        prompt: A text to continue ...
        messages: ... or the turns of a chat; exactly one of the two.
        prefill: The beginning of the assistant's turn, or more text after ``prompt``.
        reference: A whole program; only the ``reference`` provider looks at it.
        sampling: How tokens are drawn.
        schema: A JSON schema that the answer must follow; the server holds the model to it.
        top_logprobs: Ask for the log-probabilities of this many candidates for the first token.
    """

    tag: str
    sample_id: int = 0
    prompt: str | None = None
    messages: tuple[Message, ...] = ()
    prefill: str = ""
    reference: str = ""
    sampling: Sampling = Sampling()
    schema: dict[str, object] | None = None
    top_logprobs: int = 0

    def key(self, model: str) -> str:
        """Name the request by its content.

        The key changes with everything that can change the answer and with nothing else: it has no address,
        no concurrency and no time limit in it. It is the SHA-256 of a JSON text with sorted keys.

        Args:
            model: The ``name`` of the model that is asked.

        Returns:
            64 hexadecimal digits.
        """
        return self._digest(model, self.sampling)

    def loose_key(self, model: str) -> str:
        """Name the request like :meth:`key`, but for ``max_tokens``.

        An answer that ended by itself is right for any larger limit too.
        """
        return self._digest(model, replace(self.sampling, max_tokens=1), "any max_tokens")

    def _digest(self, model: str, sampling: Sampling, more: str = "") -> str:
        content: dict[str, object] = {
            "model": model,
            "prompt": self.prompt,
            "messages": [[message.role, message.content] for message in self.messages],
            "prefill": self.prefill,
            "sample_id": self.sample_id,
            "sampling": sampling,
        }
        if more:
            content["more"] = more
        # Absent where they are not asked for, so that they change no key of a request without them.
        if self.schema is not None:
            content["schema"] = self.schema
        if self.top_logprobs:
            content["top_logprobs"] = self.top_logprobs
        return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()

    def part(self, offset: int, n: int) -> Request:
        """Cut ``n`` samples out of the request, from the ``offset``-th on.

        The first part keeps the seed; a later one gets a seed of its own, since a provider that is asked
        twice with one seed gives one answer twice.
        """
        if not offset and n == self.sampling.n:
            return self
        seed = self.sampling.seed
        if seed is not None and offset:
            seed = row_seed(seed, self.tag, self.sample_id + offset)
        sampling = replace(self.sampling, n=n, seed=seed)
        return msgspec.structs.replace(self, sample_id=self.sample_id + offset, sampling=sampling)


class Choice(msgspec.Struct):
    """One sample: its text (without the prompt, the prefill and the stop string) and what the text is.

    ``top_logprobs`` maps candidates for the first token to their log-probabilities, where that was asked for.
    """

    text: str
    finish_reason: str = "stop"
    form: Form = "raw"
    top_logprobs: dict[str, float] | None = None


class Response(msgspec.Struct, kw_only=True):
    """What came back for one request: ``sampling.n`` choices in sample order.

    Attributes:
        choices: The samples.
        model: The ``name`` of the model that was asked.
        tokens_in: Prompt tokens, summed over all calls that were made.
        tokens_cached: Those among them that the provider had in its prefix cache.
        tokens_out: Tokens of all choices together.
        latency_s: Wall time of the slowest call that worked, without waiting in line.
        attempts: 1 plus the number of calls that had to be repeated.
        prefilled: The provider continued the request's ``prefill``; false where it could not and the
            prefill was left out.
    """

    choices: list[Choice]
    model: str
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    latency_s: float = 0.0
    attempts: int = 1
    prefilled: bool = False


class Model(Protocol):
    """A provider of answers, opened with :func:`opencoder.llm.open_model`."""

    @property
    def name(self) -> str:
        """The spec it was opened with (``openai/NAME``); part of every request key."""
        ...

    @property
    def revision(self) -> str:
        """What exactly answers: a commit, a digest of a file; empty where the provider does not tell."""
        ...

    async def complete(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            RequestError: This request can never work.
            UserError: No request can work.
            DependencyError: The provider cannot be reached or is not installed.
            InfraError: The provider failed, also after retries.
        """
        ...

    async def style(self) -> Style:
        """Say how the model wants to be asked; found out once."""
        ...

    async def aclose(self) -> None:
        """Give back connections, processes and memory."""
        ...


def row_seed(run_seed: int, tag: str, sample_id: int) -> int:
    """Make the seed of one row of a run.

    Neighbours must not get neighbouring seeds: servers give sample i of a request the seed s + i, so rows
    with seeds 0, 1, 2 would share most of their samples.

    Args:
        run_seed: The seed of the whole run.
        tag: The unit, a task id as a rule.
        sample_id: The sample.

    Returns:
        An integer of 31 bits, which every server accepts.
    """
    text = msgspec.json.encode([run_seed, tag, sample_id])
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def check_drawn(sampling: Sampling) -> None:
    """Refuse several samples without randomness: they would be one sample counted several times.

    Raises:
        UserError: ``n`` is above 1 and the temperature is 0.
    """
    if sampling.n > 1 and sampling.temperature == 0.0:
        raise UserError(
            f"n is {sampling.n} with temperature 0, which draws one answer {sampling.n} times; "
            "set a temperature above 0 or n to 1"
        )
