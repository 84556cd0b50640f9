"""The card tells what is in the files beside it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from opencoder.store import read_json, write_jsonl
from synth.export.command import ExportSummary, export_rows
from tests.support.synth_rows import mixed_rows, plain_row, verified_row
from tests.synth.export.conftest import Write

FORMS = ["opc-sft-stage2", "messages", "parquet"]


def card_of(folder: Path) -> tuple[dict[str, Any], str]:
    _, front, body = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), body


def tables(body: str) -> dict[str, dict[str, str]]:
    """First column to second, by the head of the first column."""
    found: dict[str, dict[str, str]] = {}
    for block in re.findall(r"(?:^\|.*\|\n?)+", body, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().split("\n")]
        found.setdefault(lines[0][0], {line[0]: line[1] for line in lines[2:]})
    return found


@pytest.mark.parametrize("form", FORMS)
def test_front_matter_names_the_files(write_run: Write, tmp_path: Path, form: Any) -> None:
    done = export_rows(write_run(mixed_rows()), form, tmp_path / "out")
    front, _ = card_of(tmp_path / "out")
    assert {config["config_name"] for config in front["configs"]} == set(done.configs)
    for config in front["configs"]:
        assert list((tmp_path / "out").glob(config["data_files"][0]["path"]))
    assert [bool(config.get("default")) for config in front["configs"]].count(True) == 1
    assert front["size_categories"] == ["n<1K"]
    assert front["license"] == ["cc-by-nc-4.0", "mit"]
    assert front["language"] == ["en"]
    assert {"code", "synthetic", "python", "javascript"} <= set(front["tags"])


@pytest.mark.parametrize("form", FORMS)
def test_figures_equal_the_rows(write_run: Write, tmp_path: Path, form: Any) -> None:
    done = export_rows(write_run(mixed_rows()), form, tmp_path / "out")
    _, body = card_of(tmp_path / "out")
    gone = {
        "opc-sft-stage2": {"dialogue", "system", "mute", "unasked"},
        "messages": {"mute", "unasked"},
        "parquet": set[str](),
    }[form]
    rows = [row for row in mixed_rows() if row.id not in gone]
    shown = tables(body)
    status = Counter("unverified" if row.verify is None else row.verify.status for row in rows)
    assert shown["status"] == {name: str(num) for name, num in status.items()}
    assert shown["language"] == {
        name or "(none)": str(num) for name, num in Counter(row.language for row in rows).items()
    }
    assert shown["mutants killed"]["60 to 70 %"] == "1"
    assert shown["mutants killed"]["90 to 100 %"] == str(status["pass"] - 1)
    assert shown["statements reached"]["90 to 100 %"] == str(status["pass"])
    assert shown["licence of the seed"] == {"MIT": str(status["pass"] - 1), "CC-BY-NC-4.0": "1"}
    assert f"{done.read} rows read = {len(rows)} written + {len(gone)} skipped" in body
    assert shown[""]["US dollars"] == f"{0.25 * status['pass']:.2f}"
    assert "| US dollars | " in body
    assert "| 9.50 |" in body
    assert f"{sum(row.verify is None for row in rows)} rows were never run" in body


def test_what_the_run_says_is_told(write_run: Write, tmp_path: Path) -> None:
    export_rows(write_run(mixed_rows()), "parquet", tmp_path / "out")
    _, body = card_of(tmp_path / "out")
    assert "| verify | tests\\_fail | 2 |" in body
    assert "| decontaminate | contaminated\\_ngram | 1 |" in body
    assert "1 rows were removed for an overlap with a benchmark" in body
    assert "**1 rows of this data set are flagged as overlapping with a benchmark.**" in body
    assert "Recipe educational, version 1, SHA-256 `abababababababab`" in body
    assert '"temperature": 0.7' in body
    assert "| seeds\\|odd.jsonl | 14 |" in body
    assert "| CC-BY-NC-4.0 | 1 | blocked | CC-BY-NC-4.0 is non-commercial |" in body
    assert "| corpus | r1 | 5 |" in body
    assert "pii 1, contaminated 1" in body or "contaminated 1, pii 1" in body


def test_a_plain_file_of_rows_has_a_card_too(tmp_path: Path) -> None:
    rows = [plain_row("a"), verified_row(1)]
    write_jsonl(tmp_path / "some.rows.jsonl.zst", rows)
    export_rows(tmp_path / "some.rows.jsonl.zst", "messages", tmp_path / "out")
    front, body = card_of(tmp_path / "out")
    assert front["pretty_name"] == "some.rows"
    assert "Nothing beside these rows tells that they were held against benchmarks" in body


def test_a_manifest_of_another_make_is_no_obstacle(write_run: Write, tmp_path: Path) -> None:
    run = write_run([verified_row(1)])
    (run / "manifest.json").write_text(
        '{"recipe": "x", "counts": [1], "usage": null, "sources": 3, "seed": {}}'
    )
    export_rows(run, "parquet", tmp_path / "out")
    front, _ = card_of(tmp_path / "out")
    assert front["license"] == "mit"


def test_the_list_of_files_is_whole(write_run: Write, tmp_path: Path) -> None:
    export_rows(write_run(mixed_rows()), "opc-sft-stage2", tmp_path / "out")
    listed = read_json(tmp_path / "out" / "export.json", ExportSummary)
    assert {file.path for file in listed.files} | {"export.json"} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert all((tmp_path / "out" / file.path).stat().st_size == file.bytes for file in listed.files)


def test_readers_that_cache_by_the_card_see_a_change(write_run: Write, tmp_path: Path) -> None:
    digests = []
    for rows in (
        [plain_row("a", answer="One.")],
        [plain_row("a", answer="Two.")],
        [plain_row("a", answer="One.")],
    ):
        export_rows(write_run(rows), "messages", tmp_path / "out")
        digests.append(card_of(tmp_path / "out")[0]["configs"][0]["description"])
    assert digests[0] == digests[2] != digests[1]
