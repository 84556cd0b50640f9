import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from opencoder.store import read_jsonl, write_jsonl

ROOT = Path(__file__).resolve().parents[2]


def sandbox(*words, cwd=None):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "opencoder", "sandbox", *map(str, words)],
        capture_output=True, text=True, cwd=cwd, env=environment, timeout=100,
    )  # fmt: skip
    if "no namespaces here" in done.stderr:
        pytest.skip(done.stderr)
    # What is said on a slow machine only.
    done.stderr = re.sub(r"\Alimits in seconds are stretched .*\n", "", done.stderr)
    return done


@pytest.fixture
def hello(tmp_path):
    path = tmp_path / "hello.py"
    path.write_text("import sys\nprint(sys.stdin.read()[::-1])\nprint('e', file=sys.stderr)\nsys.exit(5)")
    return path


def test_run_prints_one_row(hello, tmp_path):
    (tmp_path / "in").write_bytes(b"abc")
    done = sandbox("run", hello, "--stdin", tmp_path / "in", "--backend", "namespace", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert (row["id"], row["verdict"], row["exit_code"]) == ("hello.py", "error", 5)
    assert (row["stdout"], row["stderr"]) == ("cba\n", "e\n")


def test_run_shows_streams_and_a_sentence(hello):
    done = sandbox("run", hello, "--backend", "namespace")
    assert done.returncode == 0
    assert done.stdout == "\n"
    assert done.stderr.startswith("e\nerror: exit code 5 (")
    assert "backend namespace" in done.stderr


def test_run_takes_limits_files_and_the_language(tmp_path):
    path = tmp_path / "program.txt"
    path.write_text("open('a','w').write('x')\nwhile True: pass")
    words = ("--language", "py", "--wall-s", "0.5", "--fetch", "a", "--backend", "namespace", "--json")
    row = json.loads(sandbox("run", path, *words).stdout)
    assert (row["verdict"], row["files"]) == ("timeout", {"a": "eA=="})


SPIN = "import time\nwhile time.process_time() < 0.7: pass"


def test_a_time_factor_stretches_limits_and_is_told(tmp_path):
    (tmp_path / "spin.py").write_text(SPIN)
    words = ("run", "spin.py", "--wall-s", "20", "--cpu-s", "0.3", "--backend", "namespace", "--json")
    for factor, verdict in (("1", "timeout"), ("8.5", "ok")):
        row = json.loads(sandbox(*words, "--time-factor", factor, cwd=tmp_path).stdout)
        assert (row["verdict"], row["time_factor"]) == (verdict, float(factor))
    assert json.loads(sandbox(*words, cwd=tmp_path).stdout)["time_factor"] >= 1


def test_batch_tells_the_time_factor_in_every_row(tmp_path):
    row = {"language": "python", "program": SPIN, "limits": {"wall_s": 20, "cpu_s": 0.3}}
    write_jsonl(tmp_path / "in.jsonl", [{"id": "a", **row}, {"id": "b", **row}])
    words = ("batch", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", "--backend", "namespace")
    done = sandbox(*words, "--time-factor", "8")
    assert done.returncode == 0, done.stderr
    rows = read_jsonl(tmp_path / "out.jsonl")
    assert [(row["verdict"], row["time_factor"]) for row in rows] == [("ok", 8.0)] * 2
    refused = sandbox(*words, "--endpoint", "http://127.0.0.1:9", "--time-factor", "2")
    assert refused.returncode == 2
    assert "give it to the endpoints" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("program.txt",), "the suffix tells no language"),
        (("program.txt", "--language", "python", "--time-factor", "0.5"), "--time-factor is '0.5'; use auto"),
        (("program.txt", "--language", "python", "--time-factor", "fast"), "--time-factor is 'fast'"),
        (("program.txt", "--language", "python", "--image", "cobol"), "no sandbox image is called 'cobol'"),
        (
            ("program.txt", "--language", "python", "--image", "data", "--backend", "namespace"),
            "--image is for backend docker, not namespace",
        ),
        (("program.txt", "--language", "cobol", "--backend", "namespace"), "unknown language 'cobol'"),
        (("missing.py",), "no such file"),
        (("program.txt", "--language", "python", "--wall-s", "0"), "wrong limit"),
        (("program.txt", "--language", "python", "--backend", "process"), "--allow-unsafe"),
        (("program.txt", "--language", "python", "--backend", "vm"), "--backend"),
    ],
)
def test_run_refuses_in_one_line(tmp_path, words, says):
    (tmp_path / "program.txt").write_text("print(1)")
    done = sandbox("run", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_run_without_a_boundary_warns(tmp_path):
    (tmp_path / "a.py").write_text("print(1)")
    done = sandbox("run", "a.py", "--backend", "process", "--allow-unsafe", "--json", cwd=tmp_path)
    row = json.loads(done.stdout)
    assert (row["backend"], row["guarantee"]) == ("process", "none")
    assert done.stderr.count("without any boundary") == 1


def test_batch_prints_counts(tmp_path):
    rows = [
        {"id": "a", "language": "python", "program": "print(1)"},
        {"id": "b", "language": "python", "program": "1/0"},
        {"id": "c", "language": "python", "program": "print(1)"},
    ]
    write_jsonl(tmp_path / "in.jsonl", rows)
    words = ("batch", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", "--backend", "namespace")
    done = sandbox(*words, "--json", "--concurrency", 2, "--limit", 2)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "total": 2,
        "counts": {"ok": 1, "error": 1},
        "sandbox_errors": 0,
        "out": str(tmp_path / "out.jsonl"),
    }
    text = sandbox(*words)
    assert "3 rows in" in text.stdout
    assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["a", "b", "c"]


@pytest.mark.parametrize("flag", [("--concurrency", "0"), ("--limit", "-1")])
def test_batch_refuses_numbers_below_one(tmp_path, flag):
    write_jsonl(tmp_path / "in.jsonl", [])
    done = sandbox("batch", tmp_path / "in.jsonl", "-o", tmp_path / "o.jsonl", *flag)
    assert done.returncode == 2
    assert "must be at least 1" in done.stderr


def test_batch_ends_with_3_when_the_sandbox_failed(tmp_path):
    """A program without boundary may kill the process that watches over it: no verdict on it is possible."""
    program = "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(20)"
    write_jsonl(tmp_path / "in.jsonl", [{"id": "a", "language": "python", "program": program}])
    words = ("--backend", "process", "--allow-unsafe", "--json")
    done = sandbox("batch", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", *words)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["sandbox_errors"] == 1
    assert "1 of 1 rows could not be run" in done.stderr
    (row,) = read_jsonl(tmp_path / "out.jsonl")
    assert (row["verdict"], row["attempts"]) == ("sandbox_error", 3)


def test_doctor_tells_every_guarantee():
    done = sandbox("doctor", "--backend", "namespace", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["backend"] == "namespace"
    assert report["guarantee"] in ("full", "reduced")
    assert report["time_factor"] >= 1
    assert len(report["guarantees"]) >= 13
    for finding in report["guarantees"].values():
        assert finding.keys() == {"holds", "how"}
        assert isinstance(finding["holds"], bool)
        assert finding["how"]


def test_clean_tells_what_it_removed():
    done = sandbox("clean", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["removed"].keys() == {"containers", "groups", "folders"}


def test_build_without_a_daemon_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    done = sandbox("build")
    assert done.returncode == 4
    assert "no Docker daemon answers" in done.stderr


def test_without_a_daemon_namespaces_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    (tmp_path / "a.py").write_text("print(1)")
    done = sandbox("run", "a.py", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["backend"] == "namespace"
    assert "docker is not ready" in done.stderr
