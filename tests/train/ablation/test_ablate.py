"""``opencoder train ablate`` as a command, with the real trainer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from train.builtin.rows import builtin_rows
from train.export.export import ExportSettings, export


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "opencoder", "train", "ablate", *words]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ablate(*words: str) -> tuple[int, str, str]:
    process = start(*words)
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err


def test_without_a_name_they_are_listed():
    code, out, _ = ablate("--json")
    assert code == 0
    assert list(json.loads(out)) == ["two-stage-sft", "annealing-data"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nothing", "-o", "x"), "no ablation 'nothing'; there are two-stage-sft, annealing-data"),
        (("annealing-data",), "--out is missing"),
        (("annealing-data", "-o", "x", "--seeds", "0"), "--seeds 0: give at least 1"),
        (("annealing-data", "-o", "x", "--steps-scale", "0"), "--steps-scale 0"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_written(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("torchtitan")
    monkeypatch.chdir(tmp_path)
    code, _, err = ablate(*words)
    assert code == 2
    assert told in err
    assert not list(tmp_path.iterdir())


def loss_by_hand(folder: Path, text: str) -> float:
    """The loss of a text, with its end, from the logits of transformers alone."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id][:256]
    tokens = torch.tensor([ids])
    with torch.no_grad():
        logits = model(tokens).logits
    return float(functional.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="sum"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_ablation_measures_what_it_trained_and_repeats_nothing(tmp_path: Path):
    pytest.importorskip("torchtitan")
    out = tmp_path / "out"
    words = ("annealing-data", "-o", str(out), "--seeds", "1", "--steps-scale", "0.025", "--json")
    code, told, err = ablate(*words)
    assert code == 0, err
    found = json.loads(told)
    assert found == json.loads((out / "ablation.json").read_text())
    assert [one["steps"] for one in found["budgets"]] == [1, 1]
    assert {one["verdict"] for one in found["differences"]} == {"one seed only: no statement"}
    assert (out / "ablation.md").read_text().startswith("# annealing-data\n")

    # The loss on the first held-out row is that of the exported folder under transformers.
    outcomes = [json.loads(line) for line in (out / "outcomes.jsonl").read_text().splitlines()]
    mine = next(one for one in outcomes if one["arm"] == "with-synthetic")
    export(out / mine["checkpoint"], tmp_path / "hf", ExportSettings(dtype="float32"))
    text = next(builtin_rows("educational", held=True))["text"]
    assert mine["losses"]["educational"]["nats"][0] == pytest.approx(
        loss_by_hand(tmp_path / "hf", text), rel=1e-4
    )

    # Nothing that is done is done again.
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/**/spec.json")}
    code, again, err = ablate(*words)
    assert code == 0, err
    assert json.loads(again) == found
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/**/spec.json")} == before
