"""The shipped recipes: what they hold, and that their figures are the ones that they run with."""

from __future__ import annotations

import math

import pytest

from opencoder.errors import UserError
from train.plan.anchors import PAPER_RUNS
from train.recipe import PRESETS, EpochSchedule, Preset, Recipe, TokenSchedule
from train.recipes.figures import rows_of, shown
from train.recipes.registry import RECIPES, find_recipe
from train.schedule import learning_rate
from train.steps import steps_of

ALL = [(name, preset) for name in RECIPES for preset in PRESETS]
FAMILIES = {"tiny": 4_196_608, "opencoder-1.5b": 1_905_650_880, "opencoder-8b": 7_771_262_976}


def tokens_of(recipe: Recipe) -> TokenSchedule:
    assert isinstance(recipe.schedule, TokenSchedule)
    return recipe.schedule


def test_every_family_has_its_four_stages() -> None:
    suffixes = ("", "-anneal", "-sft1", "-sft2")
    assert set(RECIPES) == {family + suffix for family in FAMILIES for suffix in suffixes}


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_a_recipe_is_what_its_name_says(name: str, preset: Preset) -> None:
    recipe = find_recipe(name, preset)
    assert recipe.title == f"{name}/{preset}"
    family = next(family for family in FAMILIES if name.startswith(family))
    assert recipe.shape.params == FAMILIES[family]
    assert len({batch.tokens for batch in recipe.batches}) == 1
    assert all(batch.seq_len <= recipe.shape.max_positions for batch in recipe.batches)
    assert (recipe.start.recipe == "") == (recipe.stage == "pretrain")
    assert not recipe.start.recipe or recipe.start.recipe in RECIPES
    assert isinstance(recipe.schedule, EpochSchedule) == (recipe.stage == "sft")


@pytest.mark.parametrize(("name", "preset"), ALL)
def test_figures_are_the_values_that_a_run_uses(name: str, preset: Preset) -> None:
    recipe = find_recipe(name, preset)
    figures = {key: figure.value for key, figure in recipe.figures.items()}
    plan = recipe.schedule
    expected: dict[str, object] = {
        "peak learning rate": plan.peak,
        "batch": recipe.batches[-1].sequences,
        "parameters": recipe.shape.params,
        "layers": recipe.shape.layers,
    }
    if isinstance(plan, TokenSchedule):
        expected |= {"tokens": plan.total}
        expected |= {"warm-up tokens": plan.warmup} if plan.warmup else {"decay tokens": plan.decay}
        expected |= {"final learning rate": plan.floor} if plan.decay else {}
    else:
        expected |= {"epochs": plan.epochs}
    if recipe.name.startswith("opencoder"):
        expected |= {
            "AdamW beta 1": recipe.optimizer.beta1,
            "AdamW beta 2": recipe.optimizer.beta2,
            "weight decay": recipe.optimizer.weight_decay,
            "gradient norm": recipe.optimizer.max_norm,
        }
    if recipe.stage == "sft" and recipe.name.startswith("opencoder"):
        expected |= {
            "length": recipe.batches[0].seq_len,
            "form": recipe.data.form,
            "chat form": recipe.data.template,
            "activation checkpoints": recipe.compute.activation_checkpoint,
            "dialogues": recipe.data.dialogues,
        }
    assert {key: figures[key] for key in expected} == expected


def test_pretraining_ends_where_each_preset_says() -> None:
    steps = {
        (name, preset): sum(steps_of(recipe, phase=index)[0] for index in range(len(recipe.batches)))
        for name in ("opencoder-1.5b", "opencoder-8b")
        for preset in PRESETS
        for recipe in [find_recipe(name, preset)]
    }
    assert steps == {
        ("opencoder-1.5b", "paper"): 2 * 10**12 // 4_194_304,
        ("opencoder-1.5b", "released-checkpoint"): 373_000,
        ("opencoder-1.5b", "practical"): 373_000,
        ("opencoder-8b", "paper"): 25 * 10**11 // 8_388_608,
        ("opencoder-8b", "released-checkpoint"): 300_000,
        ("opencoder-8b", "practical"): 300_000,
    }


def test_the_8b_changes_its_batch_at_step_130000() -> None:
    recipe = find_recipe("opencoder-8b", "released-checkpoint")
    assert [(batch.sequences, batch.seq_len) for batch in recipe.batches] == [(2048, 4096), (1024, 8192)]
    first, second = (steps_of(recipe, phase=index) for index in range(2))
    assert (first[0], second[0]) == (130_000, 170_000)
    assert (first[1].warmup_steps, first[1].stable_steps) == (2000, 128_000)
    assert (second[1].warmup_steps, second[1].stable_steps) == (0, 170_000)


@pytest.mark.parametrize(
    ("name", "start", "published", "released", "rate"),
    [
        ("opencoder-1.5b", 373_000, 23_841, 23_000, "1.13e-05"),
        ("opencoder-8b", 300_000, 11_920, 10_000, "1.73e-05"),
    ],
)
def test_annealing_decays_over_the_published_steps(
    name: str, start: int, published: int, released: int, rate: str
) -> None:
    paper = find_recipe(f"{name}-anneal", "paper")
    assert steps_of(paper)[0] == steps_of(paper)[1].decay_steps == published
    assert learning_rate(steps_of(paper)[1], published) == pytest.approx(1e-5, rel=1e-12)
    recipe = find_recipe(f"{name}-anneal", "released-checkpoint")
    steps, schedule = steps_of(recipe)
    assert (recipe.start.step, recipe.start.optimizer) == (start, True)
    assert (steps, schedule.decay_steps) == (released, published)
    ends = learning_rate(schedule, steps)
    assert f"{ends:.2e}" == rate
    assert any(f"({rate.replace('e-0', 'e-')})" in text for text in recipe.conflicts)


def test_fine_tuning_takes_the_scripts_steps() -> None:
    steps = [steps_of(find_recipe(f"opencoder-8b-sft{stage}", "paper")) for stage in (1, 2)]
    assert [(num, schedule.warmup_steps, schedule.decay) for num, schedule in steps] == [
        (math.ceil(4_210_000 / 4096), 100, "cosine"),
        (math.ceil(3 * 375_000 / 512), 100, "cosine"),
    ]


def test_a_cut_run_still_decays_to_its_end() -> None:
    steps, schedule = steps_of(find_recipe("opencoder-1.5b-anneal"), steps=50)
    assert (steps, schedule.decay_steps) == (50, 50)
    steps, schedule = steps_of(find_recipe("opencoder-8b"), steps=50)
    assert (schedule.warmup_steps, schedule.stable_steps, schedule.decay_steps) == (25, 25, 0)
    with pytest.raises(UserError, match="--steps 0"):
        steps_of(find_recipe("tiny"), steps=0)


def test_fewer_dialogues_mean_fewer_steps() -> None:
    recipe = find_recipe("opencoder-1.5b-sft2", "paper")
    steps, schedule = steps_of(recipe, per_epoch=1000.0)
    assert steps == math.ceil(3 * 1000 / 512)
    assert schedule.warmup_steps == 0
    with pytest.raises(UserError, match="no sequence"):
        steps_of(recipe, per_epoch=0.0)


def test_implied_mfu_follows_from_the_gpu_hours() -> None:
    for name, run in PAPER_RUNS.items():
        figure = find_recipe(name).figures["implied MFU"]
        assert figure.value == pytest.approx(run.mfu(), abs=0.005)
        assert f"{run.mfu(causal=True):.3f}" in figure.note


def test_every_figure_has_a_source_and_choices_have_reasons() -> None:
    for name, preset in ALL:
        for row in rows_of(find_recipe(name, preset)):
            assert row["source"]
            if row["kind"] == "choice" and name.startswith("opencoder") and row["name"] != "starts from":
                assert row["note"], (name, row["name"])


def test_unknown_names_are_told() -> None:
    with pytest.raises(UserError, match="did you mean opencoder-8b"):
        find_recipe("opencoder-8")
    with pytest.raises(UserError, match="no preset fast"):
        find_recipe("tiny", "fast")


def test_values_are_shown_as_people_read_them() -> None:
    assert shown(3e-4) == "3e-4"
    assert shown(1_905_650_880) == "1,905,650,880"
    assert shown(0.95) == "0.95"
    assert shown(2000, "steps") == "2,000 steps"
