"""A run of a recipe against a server: nothing is lost, nothing is asked twice, nothing depends on chance."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

FILES = ("rows.jsonl", "rejects.jsonl", "manifest.json")


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def counts(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "manifest.json").read_text())["counts"]
    assert found["rows"] == len(lines(folder / "rows.jsonl"))
    assert found["rejects"] == len(lines(folder / "rejects.jsonl"))
    assert found["input"] == found["rows"] + found["rejects"] + found["pending"]
    return found


@pytest.fixture
def many(tmp_path: Path, stdlib_functions: list[str]) -> Path:
    """Six hundred seeds."""
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in stdlib_functions[:600]))
    return path


def test_every_seed_ends_as_a_row_or_a_reject(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path
) -> None:
    broken = (
        seeds.read_text() + json.dumps({"text": "x = 1"}) + "\n" + seeds.read_text().splitlines()[0] + "\n"
    )
    seeds.write_text(broken)
    done = run_synth("run", quick, "-i", seeds, "-o", tmp_path / "out", "--model", teacher.model,
                     "--base-url", teacher.url, "--json")  # fmt: skip
    found = counts(tmp_path / "out")
    assert found == {"input": 62, "rows": found["rows"], "rejects": found["rejects"], "pending": 0}
    assert json.loads(done.stdout)["counts"] == found
    reasons = {(row["stage"], row["reason"]) for row in lines(tmp_path / "out/rejects.jsonl")}
    assert {("seeds", "too_short"), ("unique:seed", "duplicate")} <= reasons
    row = lines(tmp_path / "out/rows.jsonl")[0]
    assert next(iter(row.items())) == ("schema", "synth/1")
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    assert row["code"] in row["messages"][1]["content"]
    assert len(row["id"]) == 64
    assert row["prov"]["seeds"][0]["license"] == "PSF-2.0"
    assert len(row["prov"]["calls"]) == 2
    assert teacher.seen()["num_requests"] == len(
        {key for kind in ("rows", "rejects") for one in lines(tmp_path / f"out/{kind}.jsonl")
         for key in (one.get("row", one).get("prov", {}).get("calls", []))}
    )  # fmt: skip


def test_concurrency_changes_nothing_and_replay_needs_no_server(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path
) -> None:
    faults = {"task": ["no_heading", 0.1], "solution": ["broken_code", 0.1]}
    # Few tasks, in any order: which of two equal ones stays is for the order of the input to say.
    teacher.set(share_refused=0.05, faults=faults, num_tasks=25, jitter_s=0.1)
    common = ["run", quick, "-i", seeds, "--model", teacher.model, "--base-url", teacher.url]
    run_synth(*common, "-o", tmp_path / "one", "--concurrency", "1")
    run_synth(*common, "-o", tmp_path / "many", "--concurrency", "64")
    assert content(tmp_path / "one") == content(tmp_path / "many")
    reasons = [row["reason"] for row in lines(tmp_path / "one/rejects.jsonl")]
    assert reasons.count("duplicate") >= 10
    assert {"request_refused", "no_section"} <= set(reasons)
    asked = teacher.seen()["num_requests"]
    run_synth("run", quick, "-i", seeds, "-o", tmp_path / "again", "--model", f"replay:{tmp_path / 'many'}")
    assert content(tmp_path / "again") == content(tmp_path / "one")
    assert teacher.seen()["num_requests"] == asked


def test_a_run_that_goes_on_knows_what_was_there_before(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path
) -> None:
    teacher.set(num_tasks=15)
    first = seeds.read_text().splitlines(keepends=True)[:20]
    seeds.write_text("".join([*seeds.read_text().splitlines(keepends=True)[:40], *first]))
    words = ["run", quick, "-i", seeds, "--model", teacher.model, "--base-url", teacher.url]
    run_synth(*words, "-o", tmp_path / "whole")
    for limit in ("13", "45", "60"):
        run_synth(*words, "-o", tmp_path / "parts", "--limit", limit)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    stages = [row["stage"] for row in lines(tmp_path / "parts/rejects.jsonl") if row["reason"] == "duplicate"]
    assert stages.count("unique:seed") == 20
    assert stages.count("unique:instruction") >= 20


def test_a_request_that_always_fails_leaves_its_row_pending_and_stops_no_other(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path
) -> None:
    words = ["run", quick, "-i", seeds, "--model", teacher.model, "--base-url", teacher.url]
    run_synth(*words, "-o", tmp_path / "whole")
    teacher.set(reset=True, share_broken=0.04)
    out = tmp_path / "out"
    done = run_synth(*words, "-o", out, "--retries", "0", "--patience-s", "0", check=3)
    assert "rows are pending" in done.stderr
    found = counts(out)
    assert 1 <= found["pending"] <= 12
    run_synth(*words, "-o", out, "--retries", "0", "--patience-s", "0", "--max-infra-errors", "12")
    teacher.set(share_broken=0.0)
    run_synth(*words, "-o", out)
    assert counts(out)["pending"] == 0
    assert content(out) == content(tmp_path / "whole")


def test_kill_9_wastes_no_more_than_what_is_in_flight(
    teacher: Any, run_synth: Any, quick: Path, many: Path, tmp_path: Path
) -> None:
    words = [
        "run",
        quick,
        "-i",
        many,
        "--model",
        teacher.model,
        "--base-url",
        teacher.url,
        "--concurrency",
        "32",
    ]
    run_synth(*words, "-o", tmp_path / "whole")
    needed = teacher.seen()["num_requests"]
    teacher.set(reset=True, delay_s=0.05)
    command = [
        sys.executable,
        "-P",
        "-m",
        "opencoder",
        "synth",
        *map(str, words),
        "-o",
        str(tmp_path / "cut"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while teacher.seen()["num_requests"] < 0.6 * needed and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len((tmp_path / "cut/rows.jsonl").read_bytes().splitlines()) < 600
    run_synth(*words, "-o", tmp_path / "cut")
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert needed <= teacher.seen()["num_requests"] <= needed + 32


def test_refused_requests_end_as_rejects_with_a_reason(
    teacher: Any, run_synth: Any, quick: Path, many: Path, tmp_path: Path
) -> None:
    teacher.set(share_refused=0.04)
    words = ["run", quick, "-i", many, "--model", teacher.model, "--base-url", teacher.url, "--limit", "300"]
    run_synth(*words, "-o", tmp_path / "out")
    rejects = lines(tmp_path / "out/rejects.jsonl")
    refused = [row for row in rejects if row["reason"] == "request_refused"]
    assert 8 <= len(refused) <= 48
    assert all("this prompt is not taken" in row["detail"] for row in refused)
    assert {row["reason"] for row in rejects} <= {"request_refused", "duplicate"}
    assert counts(tmp_path / "out")["pending"] == 0
    strict = run_synth(*words, "-o", tmp_path / "out", "--strict", check=5)
    assert "rows were rejected" in strict.stderr


def test_a_busy_and_unsteady_server_costs_no_row(
    teacher: Any, run_synth: Any, quick: Path, many: Path, tmp_path: Path
) -> None:
    words = ["run", quick, "-i", many, "--model", teacher.model, "--base-url", teacher.url, "--limit", "300"]
    run_synth(*words, "-o", tmp_path / "calm")
    calm = teacher.seen()
    teacher.set(reset=True, share_busy=0.1, share_dropped=0.05)
    run_synth(*words, "-o", tmp_path / "rough")
    assert content(tmp_path / "rough") == content(tmp_path / "calm")
    rough = teacher.seen()
    assert rough["num_answered"] == calm["num_answered"]
    assert rough["num_requests"] > 1.05 * calm["num_requests"]
    journal = b"".join(path.read_bytes() for path in sorted((tmp_path / "rough/journal").glob("*.jsonl")))
    attempts = [json.loads(line)["response"]["attempts"] for line in journal.splitlines()]
    assert max(attempts) > 1, "attempts are in the journal"


def test_a_server_that_dies_leaves_rows_pending_and_the_run_goes_on_later(
    teacher_process: Any, start_teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path
) -> None:
    own = start_teacher()
    own.set(die_after=40)
    out = tmp_path / "out"
    words = [
        "run",
        quick,
        "-i",
        seeds,
        "-o",
        out,
        "--model",
        own.model,
        "--retries",
        "1",
        "--patience-s",
        "0",
    ]
    cut = run_synth(*words, "--base-url", own.url, check=None)
    assert cut.returncode in (3, 4), cut.stderr
    found = json.loads((out / "manifest.json").read_text())["counts"]
    assert found["pending"] > 0
    assert found["input"] == found["rows"] + found["rejects"] + found["pending"]
    teacher_process.set(reset=True)
    run_synth(*words, "--base-url", teacher_process.url)
    assert counts(out)["pending"] == 0
    assert teacher_process.seen()["num_requests"] < 120 - 35
    run_synth("run", quick, "-i", seeds, "-o", tmp_path / "whole", "--model", own.model,
              "--base-url", teacher_process.url)  # fmt: skip
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ({"api_key": "secret"}, 2, "key"),
        ({}, 2, "has no model"),
    ],
)
def test_a_wrong_key_or_name_ends_the_run_at_once(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path,
    setting: dict[str, Any], code: int, said: str,
) -> None:  # fmt: skip
    teacher.set(**setting)
    model = teacher.model if setting else "openai/no-such-model"
    done = run_synth("run", quick, "-i", seeds, "-o", tmp_path / "out", "--model", model,
                     "--base-url", teacher.url, check=code)  # fmt: skip
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()[-1]) < 500
    assert teacher.seen()["num_requests"] <= 33
    assert counts(tmp_path / "out")["pending"] == 60


FAULTS = [
    ("task", "empty", "empty"),
    ("task", "blank", "empty"),
    ("task", "cut_off", "cut_off"),
    ("task", "chinese", "wrong_language"),
    ("task", "huge", "too_long"),
    ("solution", "javascript", "wrong_language"),
    ("solution", "broken_code", "code_unreadable"),
    ("solution", "no_heading", "no_section"),
]


@pytest.mark.parametrize(("kind", "fault", "reason"), FAULTS)
def test_each_bad_answer_has_its_reason(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path, kind: str, fault: str, reason: str
) -> None:
    teacher.set(faults={kind: [fault, 1.0]})
    run_synth("run", quick, "-i", seeds, "-o", tmp_path / "out", "--limit", "4", "--model", teacher.model,
              "--base-url", teacher.url)  # fmt: skip
    rejects = lines(tmp_path / "out/rejects.jsonl")
    assert [row["reason"] for row in rejects] == [reason] * 4
    assert all(row["stage"] == kind for row in rejects)
    assert teacher.seen()["num_requests"] == 4 * (3 if kind == "task" else 4), "two repairs each"


def test_what_a_run_will_take_is_told_before_it_asks(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path
) -> None:
    words = ["run", quick, "-i", seeds, "-o", tmp_path / "out", "--dry-run", "--price", "1/2"]
    found = json.loads(run_synth(*words, "--json").stdout)
    assert (found["rows"], found["calls"]) == (60, 120)
    assert [stage["stage"] for stage in found["stages"]] == ["task", "solution"]
    assert found["tokens_out_max"] == 60 * (500 + 2048)
    expected = (found["tokens_in"] * 1 + found["tokens_out"] * 2) / 1e6
    assert found["dollars"] == pytest.approx(expected, abs=1e-3)
    assert "dollars" in run_synth(*words).stdout
    assert not (tmp_path / "out").exists()
    assert teacher.seen()["num_requests"] == 0


def test_five_rows_can_be_looked_at_whole(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path
) -> None:
    done = run_synth("run", quick, "-i", seeds, "-o", tmp_path / "out", "--limit", "5", "--show", "--model",
                     teacher.model, "--base-url", teacher.url)  # fmt: skip
    rows = lines(tmp_path / "out/rows.jsonl")
    first_seed = json.loads(seeds.read_text().splitlines()[0])["text"]
    assert first_seed in done.stdout
    assert all(row["messages"][0]["content"] in done.stdout for row in rows)
    assert (
        done.stdout.count(": prompt\n") == done.stdout.count(": answer\n") == teacher.seen()["num_requests"]
    )
    # A longer limit goes on where the shorter ended.
    run_synth("run", quick, "-i", seeds, "-o", tmp_path / "out", "--limit", "9", "--model", teacher.model,
              "--base-url", teacher.url)  # fmt: skip
    assert counts(tmp_path / "out")["input"] == 9
    assert lines(tmp_path / "out/rows.jsonl")[:3] == rows[:3]
    # A shorter one takes nothing away.
    run_synth("run", quick, "-i", seeds, "-o", tmp_path / "out", "--limit", "2", "--model", teacher.model,
              "--base-url", teacher.url)  # fmt: skip
    assert counts(tmp_path / "out")["input"] == 9


def test_ctrl_c_tells_how_to_go_on(teacher: Any, quick: Path, many: Path, tmp_path: Path) -> None:
    teacher.set(delay_s=0.2)
    command = [sys.executable, "-P", "-m", "opencoder", "synth", "run", str(quick), "-i", str(many), "-o",
               str(tmp_path / "out"), "--model", teacher.model, "--base-url", teacher.url]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=os.environ
    )
    until = time.monotonic() + 60
    while teacher.seen()["num_answered"] < 100 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "to go on: opencoder synth run" in said
    found = json.loads((tmp_path / "out/manifest.json").read_text())["counts"]
    assert found["pending"] > 0


def test_another_seed_or_recipe_is_refused_in_a_used_folder(
    teacher: Any, run_synth: Any, quick: Path, seeds: Path, tmp_path: Path
) -> None:
    words = ["run", quick, "-i", seeds, "-o", tmp_path / "out", "--limit", "5", "--model", teacher.model,
             "--base-url", teacher.url]  # fmt: skip
    run_synth(*words)
    before = content(tmp_path / "out")
    assert "other settings: seed" in run_synth(*words, "--seed", "1", check=2).stderr
    (quick / "task.md").write_text((quick / "task.md").read_text() + "\nBe brief.")
    assert "recipe_sha256" in run_synth(*words, check=2).stderr
    assert content(tmp_path / "out") == before
    run_synth(*words, "--seed", "1", "--no-resume")
    assert content(tmp_path / "out") != before
