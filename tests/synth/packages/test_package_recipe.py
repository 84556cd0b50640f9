"""The package recipe: answers are held to the version of the package that is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.packages.environment import build_store
from synth.packages.seeds import write_seeds


@pytest.fixture
def api(sites: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ``opencoder synth api`` writes for version 2.0."""
    monkeypatch.syspath_prepend(str(sites["2.0"]))
    store = build_store(["shapekit"], tmp_path / "api", live=False)
    assert write_seeds(store, {}, 12, 0, tmp_path / "api/seeds.jsonl")
    return tmp_path / "api"


@pytest.fixture
def run(teacher: Any, run_synth: Any, api: Path, tmp_path: Path) -> Any:
    def start(*more: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        run_synth("run", "package", "-i", api, "-o", tmp_path / "out", "--model", teacher.model, "--base-url",
                  teacher.url, "--limit", "6", *more)  # fmt: skip
        texts = [
            (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines() for name in ("rows", "rejects")
        ]
        rows, rejects = ([json.loads(line) for line in lines] for lines in texts)
        assert len(rows) + len(rejects) == 6
        return rows, rejects

    return start


def test_answers_that_use_a_name_of_an_older_version_are_rejected(teacher: Any, run: Any) -> None:
    teacher.set(faults={"solution": ["old_name", 1.0]})
    rows, rejects = run()
    assert rows == []
    found = [row for row in rejects if row["reason"] != "duplicate"]
    assert {row["reason"] for row in found} == {"unknown_name"}
    assert all("shapekit.area_of" in row["detail"] for row in found)
    assert all(len(row["row"]["prov"]["calls"]) == 4 for row in found), "each had a second try"


def test_answers_run_with_the_package_that_they_were_asked_about(teacher: Any, run: Any) -> None:
    teacher.set(faults={"solution": ["new_name", 1.0]})
    rows, rejects = run()
    assert {row["reason"] for row in rejects} <= {"duplicate"}
    assert rows
    for row in rows:
        assert row["verify"]["status"] == "pass"
        assert row["tags"]["libraries"] == [{"name": "shapekit", "version": "2.0"}]
        assert row["prov"]["seeds"][0]["license"] == "MIT"


def test_a_recipe_on_packages_says_what_it_lacks(
    teacher: Any, run_synth: Any, seeds: Path, tmp_path: Path
) -> None:
    words = ["-i", seeds, "-o", tmp_path / "out", "--model", teacher.model, "--base-url", teacher.url]
    done = run_synth("run", "package", *words, check=2)
    assert "give --api DIR" in done.stderr
    assert teacher.seen()["num_requests"] == 0
