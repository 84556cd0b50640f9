"""The result of an ablation as JSON and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

import msgspec

from opencoder.markdown import table
from opencoder.stats import Interval
from train.ablation.compare import Difference, Outcome, Summary, differences, summaries
from train.ablation.plan import Ablation, HeldKind

_KINDS: dict[HeldKind, str] = {
    "sft2": "code written on request (answers)",
    "sft1": "answers to broad questions",
    "code": "source of functions",
    "educational": "educational snippets",
}


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm spent.

    Attributes:
        arm: Its name.
        steps: Optimiser steps.
        positions: Token positions.
        trained: Labels that count, mean over seeds.
    """

    arm: str
    steps: int
    positions: int
    trained: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Content of ``ablation.json``.

    Attributes:
        ablation: Its name.
        about: The question.
        paper: What the paper says.
        equal: In what the arms are equal.
        primary: The kind that the verdicts are on.
        steps_scale: Factor of all lengths.
        seeds: Of the data's order.
        budgets: By arm.
        summaries: Arms by kinds.
        differences: Arms against the first one.
        verdicts: Sentences on the primary kind.
    """

    ablation: str
    about: str
    paper: str
    equal: str
    primary: HeldKind
    steps_scale: float
    seeds: list[int]
    budgets: list[Budget]
    summaries: list[Summary]
    differences: list[Difference]
    verdicts: list[str]


def report(ablation: Ablation, outcomes: Sequence[Outcome], steps_scale: float) -> Report:
    """Put a result together.

    Args:
        ablation: What was run.
        outcomes: One for each arm and seed.
        steps_scale: Factor of all lengths.
    """
    found = differences(ablation, outcomes)
    return Report(
        ablation=ablation.name,
        about=ablation.about,
        paper=ablation.paper,
        equal=ablation.budget,
        primary=ablation.primary,
        steps_scale=steps_scale,
        seeds=sorted({one.seed for one in outcomes}),
        budgets=[_budget(arm.name, outcomes) for arm in ablation.arms],
        summaries=summaries(ablation, outcomes),
        differences=found,
        verdicts=[sentence(one) for one in found if one.kind == ablation.primary],
    )


def _budget(arm: str, outcomes: Sequence[Outcome]) -> Budget:
    own = [one for one in outcomes if one.arm == arm]
    return Budget(
        arm=arm,
        steps=own[0].steps,
        positions=own[0].positions,
        trained=fmean(one.trained for one in own),
    )


def sentence(found: Difference) -> str:
    """Say what a difference allows to be said, no more."""
    what = f"{found.arm} against {found.reference}, {_KINDS[found.kind]}"
    amount = (
        f"{found.mean:+.4f} nats per token ({_interval(found.over_seeds)} over {len(found.by_seed)} seeds)"
    )
    if found.verdict in ("lower", "higher"):
        return f"{what}: the loss is {found.verdict}, {amount}"
    return f"{what}: {found.verdict}, {amount}"


def page(found: Report) -> str:
    """Return ``ablation.md``."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Report) -> Iterator[str]:
    confidence = f"{found.differences[0].confidence:.1%}"
    yield f"# {found.ablation}\n\n{found.about}\n\n{found.paper}\n\n{found.equal}\n"
    yield _losses(found) + "\n"
    yield (
        "Loss on held-out rows in nats per token, with its standard deviation over "
        f"{len(found.seeds)} seeds of the data's order, and bits per byte in brackets.\n"
    )
    yield _differences(found.differences) + "\n"
    yield (
        f"Differences to the first arm in nats per token, with {confidence} intervals over seeds "
        "(Student's t) and over held-out functions (bootstrap). A difference is stated only where neither "
        "holds 0.\n"
    )
    yield f"## Verdict\n\nOn {_KINDS[found.primary]}, chosen beforehand:\n"
    yield from (f"- {text}." for text in found.verdicts)
    yield "\nThe other kinds were not, and the intervals do not allow for their number."


def _losses(found: Report) -> str:
    kinds: list[HeldKind] = list(dict.fromkeys(one.kind for one in found.summaries))
    rows = []
    for budget in found.budgets:
        own: dict[HeldKind, Summary] = {one.kind: one for one in found.summaries if one.arm == budget.arm}
        cells = [_loss(own[kind]) for kind in kinds]
        rows.append(
            [budget.arm, f"{budget.steps}", f"{budget.positions:,}", f"{budget.trained:,.0f}", *cells]
        )
    return table(["arm", "steps", "positions", "trained tokens", *(_KINDS[kind] for kind in kinds)], rows)


def _loss(one: Summary) -> str:
    spread = "" if one.spread is None else f" ± {one.spread:.4f}"
    return f"{one.nats_per_token:.4f}{spread} ({one.bits_per_byte:.3f})"


def _differences(found: Sequence[Difference]) -> str:
    rows = [
        [
            one.arm,
            _KINDS[one.kind],
            f"{one.mean:+.4f}",
            _interval(one.over_seeds),
            _interval(one.over_rows),
            one.verdict,
        ]
        for one in found
    ]
    return table(["arm", "on", "difference", "over seeds", "over functions", "verdict"], rows)


def _interval(found: Interval | None) -> str:
    return "no interval" if found is None else f"{found.low:+.4f} to {found.high:+.4f}"


def text(found: Report) -> str:
    """Return what the command prints."""
    widest = max(len(one.arm) for one in found.budgets)
    lines = [found.about]
    for budget in found.budgets:
        cells = [f"{one.kind} {one.nats_per_token:.4f}" for one in found.summaries if one.arm == budget.arm]
        lines.append(f"  {budget.arm:{widest}}  {budget.steps} steps  nats per token: {', '.join(cells)}")
    return "\n".join([*lines, *found.verdicts])
