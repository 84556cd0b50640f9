"""Plans: what they say, that their advice holds, and the command."""

from __future__ import annotations

import json
import re

import pytest

from opencoder.cli import main
from train.overrides import Overrides
from train.plan.gpus import GPUS
from train.plan.plan import Plan, make_plan
from train.recipes.registry import RECIPES, find_recipe


def plan(name: str, gpus: int, gpu: str = "h100", **changed: object) -> Plan:
    return make_plan(find_recipe(name), gpus=gpus, gpu=GPUS[gpu], overrides=Overrides(**changed))  # type: ignore[arg-type]


def test_parameters_are_exact() -> None:
    assert plan("opencoder-1.5b", 8).params == 1_905_650_880
    assert plan("opencoder-8b", 8).params == 7_771_262_976
    assert plan("opencoder-8b", 8).params_without_embeddings == 6_979_588_096


@pytest.mark.parametrize("gpus", [8, 256, 512])
@pytest.mark.parametrize("name", [name for name in RECIPES if "sft" not in name and "tiny" not in name])
def test_the_models_fit_on_nodes(name: str, gpus: int) -> None:
    found = plan(name, gpus)
    assert found.fits
    for phase in found.phases:
        layout = phase.parallel
        assert layout.ranks == gpus
        assert phase.micro * phase.accumulation * layout.data_ranks == phase.sequences
        assert phase.memory_per_gpu_gib["total"] <= found.memory_available_gib
    assert found.mfu is not None
    assert 0.35 < found.mfu.full_attention < 0.45
    assert found.mfu.causal < found.mfu.full_attention
    assert found.hours is not None
    assert found.tokens_per_s == pytest.approx(found.tokens / found.hours / 3600, rel=1e-3)


def test_the_8b_counts_both_phases() -> None:
    found = plan("opencoder-8b", 512)
    assert [phase.steps for phase in found.phases] == [130_000, 170_000]
    assert (found.steps, found.tokens) == (300_000, 300_000 * 8_388_608)
    assert found.hours is not None
    assert 7 < found.hours / 24 < 9


@pytest.mark.parametrize(
    ("name", "gpus", "gpu", "changed"),
    [
        ("opencoder-8b", 1, "h100", {}),
        ("opencoder-8b", 1, "h200", {}),
        ("opencoder-8b", 8, "h100", {"micro": 8}),
        ("opencoder-1.5b", 1, "h100", {"micro": 16}),
        ("opencoder-8b-sft2", 512, "h100", {}),
        ("opencoder-1.5b", 24, "h100", {}),
    ],
)
def test_advice_holds_when_it_is_followed(name: str, gpus: int, gpu: str, changed: dict[str, int]) -> None:
    found = plan(name, gpus, gpu, **changed)
    assert not found.fits
    assert found.why_not
    assert found.advice
    assert found.hours is None
    for text in found.advice:
        words, gib = re.fullmatch(r"(.*): ([\d.]+) GiB", text).groups()  # type: ignore[union-attr]
        count, kind, more = gpus, gpu, dict[str, object](changed)
        if words == "without --micro":
            more.pop("micro")
        else:
            flags = words.split()
            for flag, value in zip(flags[::2], flags[1::2], strict=True):
                if flag == "--gpus":
                    count = int(value)
                elif flag == "--gpu":
                    kind = value
                elif flag == "--tensor":
                    more = {key: other for key, other in more.items() if key != "micro"} | {
                        "tensor": int(value)
                    }
                else:
                    more[flag.removeprefix("--").replace("-", "_")] = value
        better = plan(name, count, kind, **more)
        assert better.fits, text
        assert better.memory_per_gpu_gib["total"] == pytest.approx(float(gib), abs=0.06)


def test_the_14_heads_of_the_small_model_limit_tensor_parallelism() -> None:
    assert "14 heads" in plan("opencoder-1.5b", 8, tensor=4).why_not
    assert plan("opencoder-1.5b", 8, tensor=2).fits


def test_all_bf16_with_full_checkpoints_puts_the_8b_on_one_gpu() -> None:
    found = plan("opencoder-8b-anneal", 1, param_dtype="bfloat16", activation_checkpoint="full")
    assert found.fits
    assert found.memory_per_gpu_gib["total"] <= 0.92 * found.memory_available_gib
    assert not plan("opencoder-8b-anneal", 1, param_dtype="bfloat16").fits


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_a_plan_on_one_node(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "plan", name, "--gpus", "8", "--gpu", "h200", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fits"]
    assert found["steps"] * found["tokens_per_step"] == found["tokens"]
    assert found["gpu_hours"] == pytest.approx(8 * found["hours"], rel=1e-3)


def test_the_command_tells_cost_and_what_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "plan", "opencoder-1.5b", "--gpus", "256", "--gpu", "h800", "--preset", "paper"]
    assert main([*words, "--price-per-gpu-hour", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cost"] == pytest.approx(2 * found["gpu_hours"], rel=1e-3)
    assert found["paper"]["gpu_hours"] == pytest.approx(28_034 * 2.0 / 2.134, rel=0.01)
    assert main(["train", "plan", "opencoder-8b", "--gpus", "1"]) == 0
    text = capsys.readouterr().out
    assert "does not fit: needs" in text
    assert "would do: --activation-checkpoint full --param-dtype bfloat16" in text
    assert main(["train", "plan", "opencoder-8b", "--gpus", "0"]) == 2
    assert main(["train", "plan", "opencoder-9b", "--gpus", "1"]) == 2
