"""The shipped recipes from end to end: a teacher behind a server, and a real sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def counts(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "manifest.json").read_text())["counts"]
    assert found["input"] == len(lines(folder / "rows.jsonl")) + len(lines(folder / "rejects.jsonl"))
    return found


@pytest.fixture
def run(teacher: Any, run_synth: Any, tmp_path: Path) -> Any:
    def start(recipe: str, seeds: Path, out: str, *more: str | Path) -> Path:
        run_synth("run", recipe, "-i", seeds, "-o", tmp_path / out, "--model", teacher.model, "--base-url",
                  teacher.url, "--backend", "namespace", *more)  # fmt: skip
        return tmp_path / out

    return start


def test_educational_rows_are_verified_and_export_in_the_published_shape(
    run: Any, run_synth: Any, seeds: Path, tmp_path: Path
) -> None:
    out = run("educational", seeds, "edu", "--limit", "30")
    counts(out)
    rows = lines(out / "rows.jsonl")
    assert len(rows) >= 15
    for row in rows:
        assert row["verify"]["status"] == "pass"
        assert row["verify"]["killed"] >= 0.6 * row["verify"]["mutants"]
        assert row["tags"]["difficulty"] in ("easy", "medium", "hard")
        assert row["scores"]["educational"] >= 2.5
        assert row["entry_point"] in row["code"]
        assert row["code"].strip() in row["messages"][1]["content"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["decontamination"]["humaneval"] == 164
    assert manifest["scorer"]["name"] == "heuristic"
    run_synth("export", out, "--format", "opc-sft-stage2", "-o", tmp_path / "opc")
    assert "humaneval" in (tmp_path / "opc/README.md").read_text()
    published = lines(next((tmp_path / "opc").rglob("*.jsonl")))
    assert list(published[0]) == ["seq_id", "instruction", "output", "code", "entry_point", "testcase"]
    assert len(published) == len(rows)
    again = run_synth(
        "verify", out / "rows.jsonl", "-o", tmp_path / "again", "--backend", "namespace", "--json"
    )
    assert json.loads(again.stdout)["counts"]["rows"] == len(rows)


@pytest.mark.parametrize(
    ("kind", "fault", "reasons"),
    [
        ("solution", "wrong", {"tests_fail"}),
        ("tests", "weak_tests", {"stub_passes"}),
        ("tests", "no_tests", {"no_tests"}),
        ("refine", "wrong", set()),
    ],
)
def test_bad_answers_of_an_educational_teacher_are_told(
    teacher: Any, run: Any, seeds: Path, kind: str, fault: str, reasons: set[str]
) -> None:
    teacher.set(faults={kind: [fault, 1.0]})
    out = run("educational", seeds, "edu", "--limit", "6")
    found = {row["reason"] for row in lines(out / "rejects.jsonl")} - {"low_score", "duplicate"}
    assert found == reasons
    if kind == "refine":
        rows = lines(out / "rows.jsonl")
        assert rows, "what was verified stays where the refined code fails"
        assert all("wrong" not in row["code"] for row in rows)
    else:
        assert not lines(out / "rows.jsonl")
    if fault == "wrong" and kind == "solution":
        tried = [row for row in lines(out / "rejects.jsonl") if row["reason"] == "tests_fail"]
        assert all(len(row["row"]["prov"]["calls"]) == 4 for row in tried), "each had a second try"


def test_programs_in_other_languages_are_run_on_inputs(run: Any, tmp_path: Path) -> None:
    page = "# Sums\n\n" + "Adding integers, one by one, is the first thing that a machine learns to do. " * 5
    seeds = tmp_path / "pages.jsonl"
    seeds.write_text(
        "".join(json.dumps({"text": f"{page} Take {i}.", "url": f"p/{i}"}) + "\n" for i in range(24))
    )
    out = run("diverse", seeds, "diverse")
    counts(out)
    rows = lines(out / "rows.jsonl")
    by_status: dict[str, set[str]] = {}
    for row in rows:
        by_status.setdefault(row["verify"]["status"], set()).add(row["language"])
    assert "python" in by_status["pass"]
    assert by_status.get("skipped", set()).isdisjoint({"python", "bash"})
    assert all(len(row["stdin_tests"]) == 5 for row in rows)


def test_labels_of_a_rubric_train_a_scorer(run: Any, run_synth: Any, seeds: Path, tmp_path: Path) -> None:
    out = run("rubric", seeds, "labels")
    rows = lines(out / "rows.jsonl")
    assert len(rows) == 60
    assert {row["scores"]["educational"] for row in rows} <= {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    run_synth("train-scorer", out / "rows.jsonl", "-o", tmp_path / "scorer", "--models", "ngram")
    scored = run("educational", seeds, "edu", "--limit", "5", "--scorer", tmp_path / "scorer")
    assert all("educational" in row.get("row", row)["scores"] for row in lines(scored / "rejects.jsonl"))
