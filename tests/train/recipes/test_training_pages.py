"""The pages on recipes and planning are what the recipes and the planner say."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from opencoder.cli import main
from train.plan.memory import block_bytes
from train.recipes.opencoder_1_5b import SHAPE as SHAPE_1_5B
from train.recipes.opencoder_8b import SHAPE as SHAPE_8B
from train.recipes.registry import RECIPES, find_recipe
from train.spec import Compute

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_training", ROOT / "scripts" / "make_training.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_pages_are_what_the_script_makes(script: ModuleType) -> None:
    recipes = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert recipes == script.page(), "run: python scripts/make_training.py"
    planning = (ROOT / "docs" / "planning.md").read_text(encoding="utf-8")
    assert planning == script.planning_page(planning), "run: python scripts/make_training.py"


def test_recipes_page_shows_sources_and_conflicts(script: ModuleType) -> None:
    page = script.page()
    assert all(f"## {name}\n" in page for name in RECIPES)
    for name in RECIPES:
        assert all(text in page for text in find_recipe(name).conflicts)
    row = next(line for line in page.splitlines() if line.startswith("| GPU-hours | 28,034"))
    assert "**secondary**" in row


def test_planning_page_states_the_bytes_of_a_block() -> None:
    page = (ROOT / "docs" / "planning.md").read_text(encoding="utf-8")
    found = [tuple(map(int, (a.replace(",", ""), b.replace(",", "")))) for a, b in
             re.findall(r"^\| `.*\| ([\d,]+) \| ([\d,]+) \|$", page, re.MULTILINE)]  # fmt: skip
    kinds = [
        Compute(activation_checkpoint="none", compile=False), Compute(activation_checkpoint="none"),
        Compute(), Compute(activation_checkpoint="full"),
    ]  # fmt: skip
    assert found == [(block_bytes(SHAPE_1_5B, kind), block_bytes(SHAPE_8B, kind)) for kind in kinds]


def test_the_command_shows_a_recipe_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "recipes", "opencoder-8b", "--preset", "paper", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    figures = {row["name"]: row for row in found["figures"]}
    assert figures["parameters"]["value"] == 7_771_262_976
    assert figures["peak learning rate"]["kind"] == "secondary"
    assert figures["batch"]["kind"] == "primary"
    assert len(found["conflicts"]) == 3
    assert main(["train", "recipes", "opencoder-8b"]) == 0
    text = capsys.readouterr().out
    assert "(secondary)" in text
    assert "conflict: Warm-up" in text
    assert main(["train", "recipes", "--json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)["recipes"]} == set(RECIPES)
