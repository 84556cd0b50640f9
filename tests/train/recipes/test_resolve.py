"""Recipes made ready for a machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from opencoder.errors import UserError
from train.overrides import Overrides
from train.plan.gpus import GPUS
from train.recipe import PRESETS, Preset
from train.recipes.registry import RECIPES, find_recipe
from train.resolve import resolve, resolve_phases
from train.spec import RunSpec, Source, Start, read_spec, write_spec

SOURCES = [Source(folder="/data/tokens")]
HF = Start(kind="hf", path="/data/model")


def ready(name: str, preset: Preset = "practical", **more: object) -> RunSpec:
    start = None if find_recipe(name).stage == "pretrain" else HF
    return resolve(find_recipe(name, preset), sources=SOURCES, tokenizer="/data/tok", start=start, **more)  # type: ignore[arg-type]


def test_tiny_on_one_and_two_cpus() -> None:
    spec = ready("tiny")
    assert (spec.steps, spec.batch.sequences, spec.batch.micro, spec.accumulation) == (120, 8, 8, 1)
    assert (spec.schedule.warmup_steps, spec.schedule.stable_steps, spec.schedule.decay_steps) == (10, 110, 0)
    assert (spec.compute.device, spec.compute.compute_dtype, spec.compute.compile) == (
        "cpu",
        "float32",
        False,
    )
    assert (spec.checkpoints.every, spec.checkpoints.keep_every) == (40, 40)
    two = ready("tiny", ranks=2)
    assert (two.parallel.shard, two.batch.micro, two.accumulation) == (2, 4, 1)
    assert ready("tiny", ranks=2, overrides=Overrides(micro=2)).accumulation == 2
    with pytest.raises(UserError, match="cannot be shared evenly by 3 ranks"):
        ready("tiny", ranks=3)
    with pytest.raises(UserError, match="--micro 3"):
        ready("tiny", overrides=Overrides(micro=3))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("opencoder")])
@pytest.mark.parametrize("ranks", [8, 64])
def test_every_recipe_fits_on_nodes_of_h100(name: str, preset: Preset, ranks: int, tmp_path: Path) -> None:
    recipe = find_recipe(name, preset)
    start = None if recipe.stage == "pretrain" else HF
    found = resolve_phases(
        recipe, tmp_path, sources=SOURCES, tokenizer="/t", ranks=ranks, gpu=GPUS["h100"], start=start
    )
    assert len(found) == len(recipe.batches)
    for (_, spec), batch in zip(found, recipe.batches, strict=True):
        assert spec.parallel.ranks == ranks
        assert spec.accumulation * spec.batch.micro * spec.parallel.data_ranks == batch.sequences
        assert spec.batch.tokens == batch.tokens
        assert 1 <= spec.checkpoints.every <= spec.steps
        assert spec.checkpoints.keep_every % spec.checkpoints.every == 0
        write_spec(tmp_path, spec)
        assert read_spec(tmp_path) == spec


def test_the_second_phase_goes_on_from_the_first(tmp_path: Path) -> None:
    recipe = find_recipe("opencoder-8b")
    (one, first), (two, second) = resolve_phases(
        recipe, tmp_path, sources=SOURCES, tokenizer="/t", ranks=256, gpu=GPUS["h100"]
    )
    assert (one, two) == (tmp_path / "phase-1", tmp_path / "phase-2")
    assert first.start.kind == "random"
    assert second.start == Start(
        kind="checkpoint", path=str(tmp_path / "phase-1" / "checkpoint" / "step-130000"), optimizer=True
    )
    assert (second.schedule.warmup_steps, second.data.seed, second.name) == (
        0, 1, "opencoder-8b/practical/phase-2",
    )  # fmt: skip
    with pytest.raises(UserError, match=r"--phase 1: 2048 x 4096; --phase 2: 1024 x 8192"):
        ready("opencoder-8b", ranks=256, gpu=GPUS["h100"])
    with pytest.raises(UserError, match="phase 2 goes on from the last checkpoint"):
        ready("opencoder-8b", ranks=256, gpu=GPUS["h100"], phase=2)


def test_later_stages_ask_for_their_checkpoint() -> None:
    with pytest.raises(UserError, match=r"starts from step 373000 of opencoder-1.5b: give --start"):
        resolve(find_recipe("opencoder-1.5b-anneal", "released-checkpoint"), sources=SOURCES, tokenizer="/t")


def test_overrides_reach_the_spec() -> None:
    spec = ready(
        "tiny",
        overrides=Overrides(
            steps=10, sequences=4, seq_len=128, vocab=999, peak=3e-3, fim_rate=0.5, document_mask=False,
            seed=7, checkpoint_every=5,
        ),
    )  # fmt: skip
    assert (spec.steps, spec.batch.sequences, spec.batch.seq_len, spec.shape.vocab) == (10, 4, 128, 999)
    assert (spec.schedule.peak, spec.schedule.warmup_steps) == (3e-3, 5)
    assert spec.schedule.floor == pytest.approx(1e-4)
    assert (spec.data.fim_rate, spec.data.document_mask, spec.data.seed) == (0.5, False, 7)
    assert (spec.seed, spec.checkpoints.every) == (7, 5)
    with pytest.raises(UserError, match="512 positions"):
        ready("tiny", overrides=Overrides(seq_len=1024))


def test_a_run_that_does_not_fit_says_what_would() -> None:
    with pytest.raises(UserError, match=r"139\.6 GiB of 76\.6 GiB .*--param-dtype bfloat16"):
        ready("opencoder-8b-anneal", gpu=GPUS["h100"])
    spec = ready(
        "opencoder-8b-anneal",
        gpu=GPUS["h100"],
        overrides=Overrides(param_dtype="bfloat16", activation_checkpoint="full"),
    )
    assert (spec.batch.micro, spec.compute.param_dtype) == (2, "bfloat16")


def test_steps_follow_the_counted_dialogues() -> None:
    spec = ready("opencoder-1.5b-sft1", "paper", ranks=8, gpu=GPUS["h100"], per_epoch=8192.0)
    assert (spec.steps, spec.data.form, spec.batch.seq_len) == (2, "padded", 1216)
    assert msgspec.structs.asdict(spec.compute)["activation_checkpoint"] == "full"
