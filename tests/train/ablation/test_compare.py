"""Budgets, intervals and verdicts of ablations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import pytest

from opencoder.errors import UserError
from opencoder.stats import Interval
from train.ablation.compare import Outcome, differences, summaries, verdict
from train.ablation.held_out import Loss
from train.ablation.plan import Ablation, scaled
from train.ablation.registry import ABLATIONS, find_ablation
from train.ablation.report import page, report
from train.ablation.student import t_central, t_interval, t_quantile
from train.recipes.registry import find_recipe


@pytest.fixture(params=list(ABLATIONS))
def ablation(request: pytest.FixtureRequest) -> Ablation:
    return find_ablation(request.param)


@pytest.mark.parametrize("scale", [0.05, 0.1, 0.33, 1.0, 1.7, 10.0])
def test_all_arms_have_one_budget(ablation: Ablation, scale: float):
    arms = scaled(ablation, scale).arms
    tokens = {
        sum(stage.steps * find_recipe(stage.recipe, "practical").batches[0].tokens for stage in arm.stages)
        for arm in arms
    }
    assert len(tokens) == 1
    assert all(stage.steps > 0 for arm in arms for stage in arm.stages)
    # Nor do they differ in the peak of the learning rate.
    assert (
        len({find_recipe(stage.recipe, "practical").schedule.peak for arm in arms for stage in arm.stages})
        == 1
    )


def test_arms_have_the_same_data_in_all_where_only_its_order_is_in_question():
    two, mixed = find_ablation("two-stage-sft").arms[:2]
    in_two = {stage.parts[0][0]: stage.steps for stage in two.stages}
    weights = dict(mixed.stages[0].parts)
    in_mixed = {kind: mixed.steps * weight / sum(weights.values()) for kind, weight in weights.items()}
    assert in_two == in_mixed


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan"), 1e-3])
def test_a_scale_that_leaves_nothing_is_refused(ablation: Ablation, scale: float):
    with pytest.raises(UserError, match="--steps-scale"):
        scaled(ablation, scale)


def test_an_unknown_ablation_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="two-stage-sft, annealing-data"):
        find_ablation("three-stage-sft")


# Two-sided quantiles of any table of Student's t.
@pytest.mark.parametrize(
    ("confidence", "df", "wanted"),
    [
        (0.95, 1, 12.7062), (0.95, 2, 4.3027), (0.95, 3, 3.1824), (0.95, 4, 2.7764), (0.95, 9, 2.2622),
        (0.95, 30, 2.0423), (0.99, 2, 9.9248), (0.99, 5, 4.0321), (0.9, 120, 1.6577),
    ],
)  # fmt: skip
def test_quantiles_of_student_are_those_of_the_tables(confidence: float, df: int, wanted: float):
    assert t_quantile(confidence, df) == pytest.approx(wanted, abs=1e-4)
    assert t_central(t_quantile(confidence, df), df) == pytest.approx(confidence, abs=1e-12)


def test_the_interval_of_three_values_is_the_textbook_one():
    found = t_interval([1.0, 2.0, 4.0], 0.95)
    assert found is not None
    # 7/3 -+ 4.3027 * 1.5275 / sqrt(3)
    assert found == pytest.approx(Interval(-1.4612, 6.1279), abs=1e-3)
    assert t_interval([1.0], 0.95) is None


@pytest.mark.parametrize(
    ("seeds", "rows", "wanted"),
    [
        (Interval(-2.0, -1.0), Interval(-3.0, -0.1), "lower"),
        (Interval(1.0, 2.0), Interval(0.1, 3.0), "higher"),
        (Interval(-1.0, 1.0), Interval(0.1, 3.0), "no evidence of a difference"),
        (Interval(0.1, 3.0), Interval(-1.0, 1.0), "no evidence of a difference"),
        (Interval(0.0, 3.0), Interval(0.1, 3.0), "no evidence of a difference"),
        (Interval(-2.0, -1.0), Interval(1.0, 2.0), "no evidence of a difference"),
        (None, Interval(1.0, 2.0), "one seed only: no statement"),
    ],
)
def test_a_difference_is_stated_only_where_both_intervals_carry_it(
    seeds: Interval | None, rows: Interval, wanted: str
):
    assert verdict(seeds, rows) == wanted


def outcomes(ablation: Ablation, num_seeds: int, shifts: Sequence[float], noise: float) -> list[Outcome]:
    """Arms whose nats per token lie a shift above 3, with noise that seeds and rows bring."""
    draw = random.Random(5)
    tokens = [draw.randint(5, 50) for _ in range(60)]
    found = []
    for arm, shift in zip(ablation.arms, shifts, strict=True):
        for seed in range(1, num_seeds + 1):
            of_seed = draw.gauss(0, noise)
            nats = [num * (3 + shift + of_seed + draw.gauss(0, noise)) for num in tokens]
            groups = [f"f{number // 2}" for number in range(60)]
            loss = Loss(groups=groups, nats=nats, tokens=tokens, num_bytes=3 * sum(tokens))
            found.append(
                Outcome(
                    arm=arm.name, seed=seed, steps=arm.steps, positions=arm.steps * 2048, trained=7,
                    checkpoint="", losses=dict.fromkeys(ablation.kinds, loss),
                )
            )  # fmt: skip
    return found


def test_a_large_difference_is_found_and_noise_is_not():
    ablation = find_ablation("two-stage-sft")
    found = differences(ablation, outcomes(ablation, 4, [0.0, 0.5, -0.5], 0.01))
    verdicts = {one.arm: one.verdict for one in found if one.kind == ablation.primary}
    assert verdicts == {"mixed": "higher", "sft2-only": "lower"}
    assert all(one.over_rows.low <= one.mean <= one.over_rows.high for one in found)
    even = differences(ablation, outcomes(ablation, 4, [0.0, 0.0, 0.0], 0.01))
    assert {one.verdict for one in even} == {"no evidence of a difference"}


def test_a_difference_of_one_seed_is_not_stated_however_large():
    ablation = find_ablation("annealing-data")
    made = outcomes(ablation, 1, [0.0, 2.0], 0.001)
    told = report(ablation, made, 1.0)
    assert [one.verdict for one in told.differences] == ["one seed only: no statement"] * 3
    assert all("lower" not in text and "higher" not in text for text in told.verdicts)


def test_without_an_effect_few_tables_claim_one():
    ablation = find_ablation("two-stage-sft")
    claims = 0
    for number in range(40):
        made = outcomes(ablation, 3, [0.0] * 3, 0.1)
        draw = random.Random(number)
        shifted = [
            Outcome(
                arm=one.arm, seed=one.seed, steps=1, positions=1, trained=1, checkpoint="",
                losses={
                    kind: Loss(
                        groups=loss.groups, tokens=loss.tokens, num_bytes=loss.num_bytes,
                        nats=[nats + num * shift for nats, num in zip(loss.nats, loss.tokens, strict=True)],
                    )
                    for kind, loss in list(one.losses.items())[:1]
                },
            )
            for one in made
            for shift in [draw.gauss(0, 0.2)]
        ]  # fmt: skip
        found = differences(replace(ablation, kinds=("sft2",)), shifted)
        claims += any(one.verdict in ("lower", "higher") for one in found)
    assert claims <= 6  # a binomial of 40 and 5 % is above 6 once in 200 times


def test_summaries_and_differences_are_those_by_hand():
    ablation = find_ablation("annealing-data")
    made = outcomes(ablation, 3, [0.0, 0.1], 0.05)
    values = {
        arm.name: [
            sum(one.losses["code"].nats) / sum(one.losses["code"].tokens)
            for one in made
            if one.arm == arm.name
        ]
        for arm in ablation.arms
    }
    found = {one.arm: one for one in summaries(ablation, made) if one.kind == "code"}
    assert {name: one.nats_per_token for name, one in found.items()} == pytest.approx(
        {name: fmean(each) for name, each in values.items()}
    )
    # Three bytes to a token.
    assert found["without"].bits_per_byte == pytest.approx(fmean(values["without"]) / 0.6931472 / 3)
    (difference,) = (one for one in differences(ablation, made) if one.kind == "code")
    assert difference.by_seed == pytest.approx(
        [right - left for left, right in zip(values["with-synthetic"], values["without"], strict=True)]
    )
    assert difference.over_seeds == pytest.approx(t_interval(difference.by_seed, 0.95))


def test_the_page_has_every_arm_and_says_no_more_than_the_verdicts(ablation: Ablation):
    made = outcomes(ablation, 2, [0.0] * len(ablation.arms), 0.1)
    told = report(ablation, made, 1.0)
    text = page(told)
    assert all(f"| {arm.name} | {arm.steps} |" in text for arm in ablation.arms)
    assert all(f"- {one}.\n" in text for one in told.verdicts)
    assert len(told.verdicts) == len(ablation.arms) - 1
    assert "the loss is" not in text
