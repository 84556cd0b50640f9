"""Learning rates against closed forms that are written independently, at every step of every recipe."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from train.recipe import PRESETS, Preset
from train.recipes.registry import RECIPES, find_recipe
from train.schedule import learning_rate
from train.spec import Schedule
from train.steps import steps_of


def closed_form(schedule: Schedule, steps: int) -> NDArray[np.float64]:
    """All steps at once: the least of warm-up and decay, each continued to both sides."""
    step = np.arange(1, steps + 1, dtype=np.float64)
    peak, floor = schedule.peak, schedule.floor
    begin = schedule.warmup_steps + schedule.stable_steps
    rates = np.full(steps, peak)
    if schedule.decay_steps:
        left = 1 - np.clip((step - begin) / schedule.decay_steps, 0, 1)
        if schedule.decay == "exponential":
            rates = floor ** (1 - left) * peak**left
        elif schedule.decay == "cosine":
            rates = floor + (peak - floor) * np.sin(math.pi / 2 * left) ** 2
        else:
            rates = floor * (1 - left) + peak * left
    if schedule.warmup_steps:
        rates = np.minimum(rates, peak / schedule.warmup_steps * step)
    return rates


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", RECIPES)
def test_every_step_of_every_recipe(name: str, preset: Preset) -> None:
    recipe = find_recipe(name, preset)
    for phase in range(len(recipe.batches)):
        steps, schedule = steps_of(recipe, phase=phase)
        found = np.fromiter((learning_rate(schedule, step) for step in range(1, steps + 1)), float, steps)
        np.testing.assert_allclose(found, closed_form(schedule, steps), rtol=1e-11, atol=1e-19)


@pytest.mark.parametrize("decay", ["exponential", "cosine", "linear"])
@pytest.mark.parametrize(("warmup", "stable", "length"), [
    (0, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 7), (3, 0, 5), (3, 4, 5), (5, 0, 0), (0, 5, 5), (1, 1, 1),
])  # fmt: skip
def test_short_and_missing_phases(
    decay: Literal["exponential", "cosine", "linear"], warmup: int, stable: int, length: int
) -> None:
    schedule = Schedule(
        peak=1.0, floor=0.125, warmup_steps=warmup, stable_steps=stable, decay_steps=length, decay=decay,
    )  # fmt: skip
    steps = warmup + stable + length + 3
    found = [learning_rate(schedule, step) for step in range(1, steps + 1)]
    np.testing.assert_allclose(found, closed_form(schedule, steps), rtol=1e-12)
    assert found[-1] == (0.125 if length else 1.0)


def test_the_rate_falls_by_one_factor_a_step() -> None:
    schedule = Schedule(peak=3e-4, floor=1e-5, warmup_steps=0, stable_steps=0, decay_steps=100)
    rates = [3e-4, *(learning_rate(schedule, step) for step in range(1, 101))]
    ratios = [after / before for before, after in itertools.pairwise(rates)]
    assert ratios == pytest.approx([30 ** (-1 / 100)] * 100, rel=1e-12)
