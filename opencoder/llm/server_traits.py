"""Whether a server does what it is asked: servers drop what they do not know without a word."""

from __future__ import annotations

from typing import Protocol

import msgspec

from opencoder.errors import InfraError
from opencoder.llm.api import Model, Request, RequestError, Response, Sampling
from opencoder.log import logger
from opencoder.records import Message

_QUESTION = "Make up a sentence of twelve random words."
_SHAPE: dict[str, object] = {
    "type": "object",
    "properties": {"sentence": {"type": "string", "maxLength": 40}},
    "required": ["sentence"],
    "additionalProperties": False,
}
_WARM = Sampling(temperature=1.0, max_tokens=24)


class ServerTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What a server was seen to do; None where that could not be found out.

    Attributes:
        seed: Equal seeds give equal text and other seeds give other text, at temperature 1.
        logprobs: It gives log-probabilities of the first token's candidates.
        n: It gives several samples for one request.
        schema: An answer follows the JSON schema that was asked for.
    """

    seed: bool | None = None
    logprobs: bool | None = None
    n: bool | None = None
    schema: bool | None = None


class Probed(Model, Protocol):
    """A model that tells how many samples its server gives at most in one call."""

    @property
    def max_n(self) -> int:
        """The most samples that one call is asked for; lowered when the server gives fewer."""
        ...


async def probe_traits(model: Probed) -> ServerTraits:
    """Ask a model six short questions and look at the answers; what is missing is logged.

    Raises:
        UserError: No request can work.
        DependencyError: The server cannot be reached.
    """
    traits = ServerTraits(
        seed=await _seed(model),
        logprobs=await _logprobs(model),
        n=await _n(model),
        schema=await _schema(model),
    )
    missing = [name for name, found in msgspec.structs.asdict(traits).items() if found is False]
    if missing:
        logger.warning("%s: the server does not honour %s", model.name, ", ".join(missing))
    return traits


async def _asked(
    model: Probed, sampling: Sampling, *, schema: dict[str, object] | None = None, top_logprobs: int = 0
) -> Response | None:
    """Return the answer; None where the server failed for now.

    Raises:
        RequestError: It refused.
    """
    chat = await model.style() == "chat"
    request = Request(
        tag="probe",
        prompt=None if chat else _QUESTION + "\n",
        messages=(Message("user", _QUESTION),) if chat else (),
        sampling=sampling,
        schema=schema,
        top_logprobs=top_logprobs,
    )
    try:
        return await model.complete(request)
    except InfraError as error:
        logger.warning("%s: could not be probed (%s)", model.name, error)
        return None


async def _seed(model: Probed) -> bool | None:
    texts: list[str] = []
    for seed in (11, 11, 1_000_003):
        sampling = Sampling(temperature=1.0, max_tokens=_WARM.max_tokens, seed=seed)
        try:
            answer = await _asked(model, sampling)
        except RequestError:
            return False
        if answer is None or not answer.choices[0].text.strip():
            return None
        texts.append(answer.choices[0].text)
    return texts[0] == texts[1] != texts[2]


async def _logprobs(model: Probed) -> bool | None:
    try:
        answer = await _asked(model, Sampling(max_tokens=1), top_logprobs=2)
    except RequestError:
        return False
    return None if answer is None else True


async def _n(model: Probed) -> bool | None:
    try:
        answer = await _asked(model, Sampling(temperature=1.0, max_tokens=4, n=2))
    except RequestError:
        return False
    return None if answer is None else model.max_n > 1


async def _schema(model: Probed) -> bool | None:
    try:
        answer = await _asked(model, Sampling(max_tokens=96), schema=_SHAPE)
    except RequestError:
        return False
    if answer is None or answer.choices[0].finish_reason == "length":
        return None
    try:
        found = msgspec.json.decode(answer.choices[0].text, type=dict[str, str])
    except msgspec.DecodeError:
        return False
    return list(found) == ["sentence"]
