"""Arms against the first one, pair by pair: what differs, and whether the data carries the statement.

Two things vary. Runs with another order of data end elsewhere: the same seed gives two arms the same orders,
and the interval over seeds is Student's, of the differences. Other held-out rows would give other losses: the
interval over rows is a bootstrap over the functions that the rows are about, of the differences averaged over
seeds. A difference is stated only where neither interval holds 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Literal

import msgspec

from opencoder.stats import Interval, bootstrap_mean
from train.ablation.held_out import Loss
from train.ablation.plan import Ablation, HeldKind
from train.ablation.student import t_interval

CONFIDENCE = 0.95
"""Of all comparisons on the primary kind together (Bonferroni)."""

Verdict = Literal["lower", "higher", "no evidence of a difference", "one seed only: no statement"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm came to with one seed.

    Attributes:
        arm: Its name.
        seed: Of the order of its data.
        steps: Optimiser steps of all stages.
        positions: Token positions computed in them.
        trained: Labels among these that count.
        checkpoint: The last one, relative to the folder of the ablation.
        losses: By kind.
    """

    arm: str
    seed: int
    steps: int
    positions: int
    trained: int
    checkpoint: str
    losses: dict[HeldKind, Loss]

    @property
    def key(self) -> str:
        """Its name in the table of outcomes."""
        return f"{self.arm}/{self.seed}"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """An arm on one kind, over all seeds.

    Attributes:
        arm: Its name.
        kind: What was measured.
        nats_per_token: Mean over seeds.
        spread: Standard deviation over seeds; none for one seed.
        bits_per_byte: Mean over seeds.
        seeds: How many.
    """

    arm: str
    kind: HeldKind
    nats_per_token: float
    spread: float | None
    bits_per_byte: float
    seeds: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An arm minus the first one, in nats per token; below 0 the arm predicts better.

    Attributes:
        arm: The arm.
        reference: The first arm.
        kind: What was measured.
        mean: Over seeds.
        by_seed: In the order of the seeds.
        over_seeds: Interval over seeds; none for one seed.
        over_rows: Interval over held-out functions.
        confidence: Of both.
        verdict: ``lower`` or ``higher`` (the arm's loss) only where neither interval holds 0.
    """

    arm: str
    reference: str
    kind: HeldKind
    mean: float
    by_seed: list[float]
    over_seeds: Interval | None
    over_rows: Interval
    confidence: float
    verdict: Verdict


def summaries(ablation: Ablation, outcomes: Sequence[Outcome]) -> list[Summary]:
    """Return every arm on every kind.

    Args:
        ablation: Gives arms and kinds.
        outcomes: One for each arm and seed.
    """
    found = []
    for arm in ablation.arms:
        for kind in ablation.kinds:
            losses = [one.losses[kind] for one in outcomes if one.arm == arm.name]
            values = [loss.per_token for loss in losses]
            found.append(
                Summary(
                    arm=arm.name,
                    kind=kind,
                    nats_per_token=fmean(values),
                    spread=stdev(values) if len(values) > 1 else None,
                    bits_per_byte=fmean(loss.per_byte for loss in losses),
                    seeds=len(values),
                )
            )
    return found


def differences(ablation: Ablation, outcomes: Sequence[Outcome]) -> list[Difference]:
    """Return all arms but the first against it, on every kind.

    Args:
        ablation: Gives arms and kinds.
        outcomes: One for each arm and seed.
    """
    by_arm: dict[str, dict[int, Outcome]] = defaultdict(dict)
    for one in outcomes:
        by_arm[one.arm][one.seed] = one
    reference, *others = (arm.name for arm in ablation.arms)
    confidence = 1 - (1 - CONFIDENCE) / len(others)
    return [
        _difference(arm, reference, kind, by_arm, confidence) for kind in ablation.kinds for arm in others
    ]


def _difference(
    arm: str,
    reference: str,
    kind: HeldKind,
    by_arm: Mapping[str, Mapping[int, Outcome]],
    confidence: float,
) -> Difference:
    pairs = [
        (by_arm[arm][seed].losses[kind], by_arm[reference][seed].losses[kind]) for seed in sorted(by_arm[arm])
    ]
    by_seed = [mine.per_token - theirs.per_token for mine, theirs in pairs]
    over_seeds = t_interval(by_seed, confidence)
    over_rows = bootstrap_mean(_by_group(pairs), confidence=confidence)
    return Difference(
        arm=arm,
        reference=reference,
        kind=kind,
        mean=fmean(by_seed),
        by_seed=by_seed,
        over_seeds=over_seeds,
        over_rows=over_rows,
        confidence=confidence,
        verdict=verdict(over_seeds, over_rows),
    )


def _by_group(pairs: Sequence[tuple[Loss, Loss]]) -> list[float]:
    """Return values, one for each group, whose mean is the difference in nats per token."""
    first = pairs[0][0]
    groups: dict[str, float] = defaultdict(float)
    for mine, theirs in pairs:
        for group, left, right in zip(mine.groups, mine.nats, theirs.nats, strict=True):
            groups[group] += left - right
    each = len(groups) / (sum(first.tokens) * len(pairs))
    return [value * each for value in groups.values()]


def verdict(over_seeds: Interval | None, over_rows: Interval) -> Verdict:
    """Return what two intervals of one difference allow to be said."""
    if over_seeds is None:
        return "one seed only: no statement"
    if over_seeds.high < 0 and over_rows.high < 0:
        return "lower"
    if over_seeds.low > 0 and over_rows.low > 0:
        return "higher"
    return "no evidence of a difference"
