"""The two commands, as the command line calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cyclopts import App

from opencoder.errors import DataError, UserError
from opencoder.records import Message
from opencoder.store import read_jsonl, write_jsonl
from synth.record import SCHEMA, Row
from synth.scorer.command import score, train_scorer
from synth.scorer.heuristic import HeuristicScorer
from synth.scorer.labels import Label

app = App(name="synth")
app.command(train_scorer, name="train-scorer")
app.command(score)


def run(*words: object) -> None:
    app([str(word) for word in words], exit_on_error=False, result_action="return_value")


def test_train_then_score(labels: list[Label], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "labels.jsonl.gz", tmp_path / "scorer"
    write_jsonl(source, labels[:200])
    run("train-scorer", source, "-o", out, "--models", "ngram", "--seed", 2, "--json")
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((out / "scorer.json").read_text())
    assert (report["kind"], report["seed"]) == ("ngram", 2)

    run("score", source, "--scorer", out, "-o", tmp_path / "scored.jsonl", "--json")
    summary = json.loads(capsys.readouterr().out)
    rows = list(read_jsonl(tmp_path / "scored.jsonl"))
    assert [row["text"] for row in rows] == [label.text for label in labels[:200]]
    assert [row["label"] for row in rows] == [label.label for label in labels[:200]]
    found = [row["score"] for row in rows]
    assert summary["rows"] == 200
    assert (summary["scorer"], len(summary["sha256"])) == ("ngram", 64)
    assert sum(value >= summary["thresholds"]["0.2"] for value in found) == 40

    run("train-scorer", source, "-o", out)
    text = capsys.readouterr().out
    assert "200 labels: trained on 1" in text
    assert text.count("<- kept") == 1
    assert text.count("Spearman") == 2


def test_scores_go_where_the_row_has_room(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "def f(x):\n    for i in range(x):\n        x += i\n    return x\n"
    record = Row(messages=[Message("user", "Sum up.")], code=code, scores={"clarity": 4.0})
    rows: list[dict[str, Any]] = [
        {"schema": SCHEMA, **msgspec.to_builtins(record), "later": [1]},
        {"content": code, "stars": 3, "score": None},
        {"text": "plain prose"},
    ]
    write_jsonl(tmp_path / "in.jsonl", rows * 200)
    run("score", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl")
    assert "600 rows scored by heuristic" in capsys.readouterr().out
    value = round(HeuristicScorer().score([code])[0], 4)
    scored = list(read_jsonl(tmp_path / "out.jsonl"))
    assert len(scored) == 600
    assert scored[:3] == [
        {**rows[0], "scores": {"clarity": 4.0, "educational": value}},
        {**rows[1], "score": value},
        {**rows[2], "score": 0.0},
    ]
    assert scored[3:6] == scored[:3]
    run("score", tmp_path / "in.jsonl", "-o", tmp_path / "few.jsonl", "--limit", 2)
    assert list(read_jsonl(tmp_path / "few.jsonl")) == scored[:2]


def test_no_rows_are_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text("")
    run("score", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", "--json")
    assert json.loads(capsys.readouterr().out)["mean"] is None
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize("models", ["bert", "ngram,bert", "", ","])
def test_unknown_models_are_refused(tmp_path: Path, models: str) -> None:
    with pytest.raises(UserError, match="--models takes ngram, fasttext"):
        run("train-scorer", tmp_path / "none.jsonl", "-o", tmp_path / "out", "--models", models)


def test_a_fault_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"code": "x = 1"}\n{"tokens": 3}\n')
    with pytest.raises(DataError, match=r"in\.jsonl:2: wrong row: no text"):
        run("score", source, "-o", out)
    source.write_text('{"code": "x = 1"}\n{"code": \n')
    with pytest.raises(DataError, match=r"in\.jsonl:2: broken JSON"):
        run("score", source, "-o", out)
    with pytest.raises(DataError, match="no such folder"):
        run("score", source, "-o", out, "--scorer", tmp_path / "nowhere")
    with pytest.raises(UserError, match="--limit must be at least 1"):
        run("score", source, "-o", out, "--limit", 0)
    assert not out.exists()
