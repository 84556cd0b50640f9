"""One question to the model, with bounded repairs: what every stage that asks has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from opencoder.llm.api import Choice, Request, RequestError, Response, Sampling, row_seed
from synth.answers.take import BadAnswer
from synth.recipe.template import Template
from synth.stages.base import Dropped, Item, Tools

T = TypeVar("T")

REPAIRS = 2
"""Further answers that are asked for where one is no good (cut off, broken, a part missing)."""

_REPAIRABLE_WHEN_GREEDY = frozenset({"cut_off"})
"""Without randomness a second answer is the first once more; only a higher limit changes it."""


async def ask(
    item: Item,
    tools: Tools,
    *,
    label: str,
    template: Template,
    sampling: Sampling,
    read: Callable[[Choice], T],
    schema: dict[str, object] | None = None,
) -> T:
    """Ask until an answer can be read, and note on the row what was asked and what it took.

    Which answer counts depends on the row, the stage and the seed of the run alone.

    Args:
        item: The row.
        tools: The model and the seed.
        label: Of the stage; part of the seed.
        template: The prompt.
        sampling: How tokens are drawn.
        read: Makes what is wanted of an answer, or raises ``BadAnswer``.
        schema: A JSON schema that the answer must follow.

    Returns:
        What ``read`` made.

    Raises:
        Dropped: No answer was good, or the server refused the request.
        InfraError: The server failed for a while.
    """
    messages = template.render({name: shown(text) for name, text in item.fields.items()})
    item.row.prov.prompts[label] = template.sha256[:16]
    first = item.tries.get(label, 0) * (REPAIRS + 1)
    for number in range(first, first + REPAIRS + 1):
        seed = row_seed(tools.seed, f"{item.row.id}:{label}", number)
        request = Request(
            tag=f"row {item.index} {label}",
            sample_id=number,
            messages=messages,
            sampling=replace(sampling, seed=seed),
            schema=schema,
        )
        try:
            response = await tools.model.complete(request)
        except RequestError as error:
            raise Dropped("request_refused", str(error)[:300]) from None
        choice = response.choices[0]
        _note(item, tools, request, response)
        if tools.show:
            tools.show(item, label, messages, choice.text)
        try:
            return read(choice)
        except BadAnswer as bad:
            is_last = number == first + REPAIRS
            if is_last or (sampling.temperature == 0 and bad.reason not in _REPAIRABLE_WHEN_GREEDY):
                raise Dropped(bad.reason, f"{label}: {bad.detail}") from None
            if bad.reason == "cut_off":
                sampling = replace(sampling, max_tokens=2 * sampling.max_tokens)
    raise AssertionError("a loop without a last answer")


def shown(text: str) -> str:
    """Return a field as prompts show it: joined tests as paragraphs."""
    return text.replace("\n\x1e\n", "\n\n")


def _note(item: Item, tools: Tools, request: Request, response: Response) -> None:
    prov = item.row.prov
    key = request.key(tools.model.name)
    if key in prov.calls:
        return  # a row that was sent back hears the same answer again, which costs nothing
    prov.calls.append(key)
    prov.model = tools.model.name
    prov.tokens_in += response.tokens_in
    prov.tokens_cached += response.tokens_cached
    prov.tokens_out += response.tokens_out
    if tools.price is not None:
        spent = tools.price.dollars(response.tokens_in, response.tokens_out, response.tokens_cached)
        prov.dollars = round(prov.dollars + spent, 8)
