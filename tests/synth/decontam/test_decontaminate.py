"""A data set in, four files out; and the command that does it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from cyclopts import App

from opencoder.errors import DataError, OpenCoderError, UserError
from opencoder.store import read_json, read_jsonl
from synth.decontam.command import decontaminate_command
from synth.decontam.references import Reference
from synth.decontam.run import Summary, decontaminate

CLEAN = (
    b'{ "instruction":  "Say hello to\\u0020me",   "output":"hi", "n": 1e3, "big": 12345678901234567890123}'
)
DEFINES = b'{"id": "d", "instruction": "Lamps.", "output": "def count_lanterns(w): ...", "reason": "mine"}'
QUOTES = (
    b'{"question": "Say how many lanterns a harbour of given width needs at night.", "solution": "x = 1"}'
)
NEAR = (
    b'{"task_id": 9, "text": "Write a function that gives back how many lamps a harbour of given width needs '
    b'by night.", "code": "def lamps(): ..."}'
)
ROWS = [CLEAN, DEFINES, QUOTES, NEAR]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(ROWS) + b"\n\n")
    return path


def test_rows_are_kept_byte_for_byte_or_rejected_with_a_reason(
    source: Path, tmp_path: Path, own_references: list[Reference]
) -> None:
    out = tmp_path / "a" / "out"
    summary = decontaminate(source, out, references=own_references)
    assert (out / "rows.jsonl").read_bytes() == CLEAN + b"\n" + NEAR + b"\n"
    defines, quotes = read_jsonl(out / "rejects.jsonl")
    assert defines == {
        **json.loads(DEFINES),
        "reason": "contaminated_entry_point",
        "matches": [
            {
                "benchmark": "own",
                "task_id": "own/1",
                "rule": "entry_point",
                "tier": "contaminated",
                "text": "def count_lanterns(w): ...",
            }
        ],
    }
    assert quotes["reason"] == "contaminated_ten_gram"
    assert quotes["matches"][0]["text"] == "how many lanterns a harbour of given width needs at night"
    (warned,) = read_jsonl(out / "warnings.jsonl")
    assert (warned["line"], warned["id"], warned["matches"][0]["rule"]) == (4, "9", "near")
    assert read_json(out / "report.json", Summary) == summary
    assert (summary.read, summary.kept, summary.rejected, summary.warned) == (4, 2, 2, 1)
    assert summary.rules == {"entry_point": 1, "near": 1, "ten_gram": 1}
    own, other = summary.benchmarks["own"], summary.benchmarks["other"]
    assert (own.tasks, own.found, own.rejected, own.warned) == (2, 1, 2, 1)
    assert (other.tasks, other.found, other.rejected, other.warned) == (2, 0, 0, 0)
    assert sorted(path.name for path in out.iterdir()) == [
        "rejects.jsonl",
        "report.json",
        "rows.jsonl",
        "warnings.jsonl",
    ]


def test_again_gives_the_same_bytes(source: Path, tmp_path: Path, own_references: list[Reference]) -> None:
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    for out, given in (("one", source), ("two", packed)):
        decontaminate(given, tmp_path / out, references=own_references)
    for name in ("rows.jsonl", "rejects.jsonl", "warnings.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_limit_and_paper_mode(source: Path, tmp_path: Path, own_references: list[Reference]) -> None:
    summary = decontaminate(source, tmp_path / "out", references=own_references, mode="paper", limit=2)
    assert (summary.read, summary.kept, summary.rejected, summary.mode) == (2, 1, 1, "paper")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (b"[1]", ":2: wrong row"),
        (b'{"instruction": 3}', ":2: wrong row: `instruction` is int"),
        (b'{"instruction": "x"', ":2: broken JSON"),
        (b'{"schema": "synth/1", "messages": 1}', ":2: wrong row"),
    ],
)
def test_a_bad_row_leaves_nothing_behind(
    tmp_path: Path, own_references: list[Reference], row: bytes, says: str
) -> None:
    source, out = tmp_path / "rows.jsonl", tmp_path / "out"
    source.write_bytes(CLEAN + b"\n" + row + b"\n")
    with pytest.raises(DataError, match="rows.jsonl" + says):
        decontaminate(source, out, references=own_references)
    assert not out.exists() or list(out.iterdir()) == []


def test_files_of_an_earlier_stage_are_safe(source: Path, own_references: list[Reference]) -> None:
    with pytest.raises(UserError, match="choose another -o"):
        decontaminate(source, source.parent, references=own_references)
    assert list(source.parent.iterdir()) == [source]


def command(*words: object) -> None:
    app = App(result_action="return_value")
    app.command(decontaminate_command, name="decontaminate")
    app(["decontaminate", *map(str, words)], exit_on_error=False, print_error=False)


def test_the_command(
    source: Path, own_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (source, "--bench", "none", "--references", own_file, "-o", tmp_path / "out")
    command(*words, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told == read_json(tmp_path / "out" / "report.json", dict)
    command(*words, "--mode", "paper", "--limit", 1)
    assert "1 rows: 1 kept, 0 rejected (no match)" in capsys.readouterr().out


def test_the_command_asks_for_benchmarks(
    source: Path, own_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # HumanEval is in a wheel that every environment for tests has.
    command(source, "--bench", "humaneval", "--references", own_file, "-o", tmp_path / "out", "--json")
    told = json.loads(capsys.readouterr().out)
    assert {name: one["tasks"] for name, one in told["benchmarks"].items()} == {
        "humaneval": 164,
        "own": 2,
        "other": 2,
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--limit", 0), "--limit is 0"),
        (("--bench", "none"), "give --references"),
        (("--bench", "humanevall"), "did you mean 'humaneval'"),
        (("--bench", "none", "--references", "nowhere.jsonl"), "nowhere.jsonl: no such file"),
    ],
)
def test_wrong_usage(source: Path, tmp_path: Path, words: tuple[object, ...], says: str) -> None:
    with pytest.raises(OpenCoderError, match=says) as caught:
        command(source, *words, "-o", tmp_path / "out")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()
