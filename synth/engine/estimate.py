"""What a run will take, before anything is asked: calls, tokens, dollars."""

from __future__ import annotations

import msgspec

from opencoder.llm.prices import Price
from synth.recipe.recipe import Recipe
from synth.stages.base import Stage

CHARS_PER_TOKEN = 3.5
"""Of code and English together; a tokenizer would have to be the model's own to say more."""

FIELD_CHARS = 1500
"""Guess at the length of a field that an earlier answer gives."""


class CallEstimate(msgspec.Struct, kw_only=True):
    """One kind of call: how often it is made, and tokens of all of them together.

    Attributes:
        stage: Label.
        calls: How many, if no row ends earlier and no answer has to be asked for again.
        tokens_in: Of the prompts.
        tokens_out: Of answers of the usual length.
        tokens_out_max: Of answers that all reach their limit.
        dollars: Price of prompts and usual answers; None without prices.
        dollars_max: Price of prompts and the longest answers; None without prices.
    """

    stage: str
    calls: int
    tokens_in: int
    tokens_out: int
    tokens_out_max: int
    dollars: float | None = None
    dollars_max: float | None = None


class Estimate(msgspec.Struct, kw_only=True):
    """The whole run; the sums of ``stages``."""

    recipe: str
    rows: int
    calls: int
    tokens_in: int
    tokens_out: int
    tokens_out_max: int
    dollars: float | None
    dollars_max: float | None
    stages: list[CallEstimate]


def estimate(
    recipe: Recipe, stages: list[Stage], *, num_items: int, seed_chars: int, price: Price | None
) -> Estimate:
    """Estimate a run from the lengths of its prompts and seeds.

    Args:
        recipe: For its name.
        stages: Of the recipe.
        num_items: Rows that set out.
        seed_chars: Characters of their seeds together.
        price: Of tokens, or None.
    """
    mean_seed = seed_chars / num_items if num_items else 0.0
    calls = []
    for call in (call for stage in stages for call in stage.calls()):
        count = round(num_items * call.share)
        chars = float(call.template.num_chars)
        for name in call.template.required:
            chars += mean_seed if name == "seed" else FIELD_CHARS if name in _LONG else 20
        tokens_in = round(count * chars / CHARS_PER_TOKEN)
        typical, longest = count * call.typical_tokens, count * call.sampling.max_tokens
        calls.append(
            CallEstimate(
                stage=call.label,
                calls=count,
                tokens_in=tokens_in,
                tokens_out=typical,
                tokens_out_max=longest,
                dollars=round(price.dollars(tokens_in, typical), 4) if price else None,
                dollars_max=round(price.dollars(tokens_in, longest), 4) if price else None,
            )
        )
    return Estimate(
        recipe=f"{recipe.file.name}/{recipe.file.version}",
        rows=num_items,
        calls=sum(call.calls for call in calls),
        tokens_in=sum(call.tokens_in for call in calls),
        tokens_out=sum(call.tokens_out for call in calls),
        tokens_out_max=sum(call.tokens_out_max for call in calls),
        dollars=round(sum(call.dollars or 0.0 for call in calls), 4) if price else None,
        dollars_max=round(sum(call.dollars_max or 0.0 for call in calls), 4) if price else None,
        stages=calls,
    )


_LONG = frozenset(
    {"task", "solution", "tests", "code", "output", "instruction", "answer", "context", "seed_context"}
)


def estimate_lines(found: Estimate) -> list[str]:
    """Return the estimate as a table for people."""
    lines = [
        f"{'stage':16} {'calls':>9} {'tokens in':>12} {'tokens out':>12} {'at most':>12} {'dollars':>10}"
    ]
    for row in [*found.stages, None]:
        label, one = ("all", found) if row is None else (row.stage, row)
        dollars = "?" if one.dollars is None else f"{one.dollars:,.2f}"
        lines.append(
            f"{label:16} {one.calls:>9,} {one.tokens_in:>12,} {one.tokens_out:>12,} "
            f"{one.tokens_out_max:>12,} {dollars:>10}"
        )
    lines.append(
        f"{found.rows:,} rows set out; rows that end early save calls, answers asked for again cost some"
    )
    if found.dollars is None:
        lines.append("for dollars give --price IN/OUT, US dollars per million tokens")
    else:
        lines.append(f"at most ${found.dollars_max:,.2f} if every answer reaches its limit")
    return lines
