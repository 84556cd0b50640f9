import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from opencoder.errors import DataError, DependencyError, UserError
from opencoder.store import read_jsonl, write_jsonl
from sandbox.api import Result, Verdict
from sandbox.batch import Batch, run_batch
from sandbox.docker import DockerSandbox
from sandbox.judge import Judgement
from sandbox.rows import BatchRow, LimitsRow, OutRow, out_row, read_rows

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {
    "id", "verdict", "exit_code", "signal", "stdout", "stderr", "stdout_truncated", "stderr_truncated",
    "wall_s", "cpu_s", "memory_bytes", "flags", "files", "backend", "guarantee", "attempts",
}  # fmt: skip


def script(name, program, **more):
    return {"id": name, "language": "python", "program": program, "mode": "script", **more}


def solution(name, program, **more):
    return script(name, program, **{"mode": "solution", "entry_point": "f", **more})


def batch(tmp_path, rows, **options):
    """Run ``rows`` and return the counts and the rows that came out."""
    write_jsonl(tmp_path / "in.jsonl", rows)
    out = tmp_path / "out.jsonl"
    options = {"backend": "namespace", "concurrency": 2, "out": out, **options}
    try:
        counts = run_batch(Batch(rows=tmp_path / "in.jsonl", **options))
    except DependencyError as error:
        pytest.skip(str(error))
    return counts, list(read_jsonl(options["out"]))


def test_rows_come_out_in_the_order_of_the_input_with_all_fields(tmp_path):
    rows = [
        script("slow", "import time; time.sleep(.4); print('slow')"),
        script("bytes", "import sys; sys.stdout.buffer.write(b'\\xff!'); sys.stderr.write('e')"),
        script("code", "import sys; sys.exit(9)", why="unknown fields", setup={"are": ["ignored"]}),
        script("signal", "import os; os.kill(os.getpid(), 11)"),
        script("file", "open('a','wb').write(b'\\x00\\xff')", fetch_files=["a", "b"]),
        script("stdin", "print(len(input()))", stdin="@repeat:ab:50000"),
        script("flood", "print('x' * 5000)", limits={"output_bytes": 100}),
    ]
    counts, out = batch(tmp_path, rows)
    assert [row["id"] for row in out] == [row["id"] for row in rows]
    assert counts == {"ok": 4, "error": 1, "signal": 1, "output": 1}
    by_id = {row["id"]: row for row in out}
    assert all(row.keys() >= FIELDS for row in out)
    assert by_id["bytes"]["stdout"] == "\ufffd!"
    assert by_id["bytes"]["stderr"] == "e"
    assert by_id["code"]["exit_code"] == 9
    assert by_id["signal"]["signal"] == 11
    assert by_id["file"]["files"] == {"a": base64.b64encode(b"\x00\xff").decode()}
    assert by_id["stdin"]["stdout"] == "100000\n"
    assert by_id["flood"]["stdout_truncated"]
    assert by_id["flood"]["flags"] == ["output_limit_hit"]
    assert by_id["slow"]["backend"] == "namespace"
    assert by_id["slow"]["guarantee"] in ("full", "reduced")


TESTS = "def check(candidate):\n    assert candidate(2) == 4\n"


def test_solutions_are_judged_both_ways(tmp_path):
    cases = [[[2], 4], [[3], 6]]
    rows = [
        solution("right", "def f(x): return 2 * x", cases=cases, test_code=TESTS),
        solution("wrong", "def f(x): return x", cases=cases, test_code=TESTS),
        solution("half", "def f(x): return 4", cases=cases, test_code=TESTS),
        solution("raises", "def f(x): raise OSError", cases=cases, test_code=TESTS),
        solution("lists", "def f(x): return [x * 2.0]", cases=[[[2], [4.0]], [[1], [2.0]]], test_code=TESTS),
        solution("float for int", "def f(x): return 2.0 * x", cases=cases, test_code=TESTS),
        script("script", "print(1)"),
    ]
    _, out = batch(tmp_path, rows)
    assert [row["verdict"] for row in out] == ["pass", "wrong", "wrong", "error", "pass", "wrong", "ok"]
    _, out = batch(tmp_path, rows, judge="tests", resume=False)
    assert [row["verdict"] for row in out] == ["pass", "wrong", "pass", "error", "wrong", "pass", "ok"]


def test_a_solution_without_cases_is_judged_by_its_tests(tmp_path):
    _, out = batch(tmp_path, [solution("a", "def f(x): return 2 * x", test_code=TESTS)])
    assert out[0]["verdict"] == "pass"


def test_equal_to_everything_is_not_right(tmp_path):
    source = "class E:\n    def __eq__(self, other): return True\ndef f(x): return E()\n"
    rows = [solution("a", source, cases=[[[1], 1]], test_code=TESTS)]
    for judge in ("cases", "tests"):
        _, out = batch(tmp_path, rows, judge=judge, resume=False)
        assert out[0]["verdict"] == "wrong"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('{"id": "b"', "broken JSON"),
        ('{"id": "b", "language": "python"}', "missing required field `program`"),
        (script("a", ""), "id 'a' stands already in line 1"),
        (script("b", "", language="cobol"), "unknown language 'cobol'"),
        (script("b", "", limits={"wall": 1}), "unknown field `wall`"),
        (script("b", "", limits={"wall_s": 0}), "expected `float` > 0.0 - at `$.limits.wall_s`"),
        (script("b", "", limits={"pids": -1}), "`$.limits.pids`"),
        (script("b", "", limits={"memory_mb": 1 << 50}), "`$.limits.memory_mb`"),
        (script("b", "", mode="module"), "`$.mode`"),
        (script("b", "", stdin="@repeat:x"), "@repeat:TEXT:COUNT"),
        (script("b", "", stdin="@repeat:x:99999999999999"), "@repeat:TEXT:COUNT"),
        (script("b", "", fetch_files=["../x"]), "leaves the working folder"),
        (solution("b", ""), "judged by tests needs `test_code`"),
        (
            solution("b", "", cases=[[[1], 1]], entry_point=""),
            "a solution judged by cases needs `entry_point`",
        ),
        (solution("b", "", test_code="def ("), "`test_code` is not valid Python"),
        (solution("b", "", cases=[[1, 1]]), "`$.cases[0][0]`"),
        (solution("b", "", cases=[], language="c"), "only Python can run as a solution"),
    ],
)
def test_wrong_rows_are_named_with_their_line(tmp_path, row, says):
    path = tmp_path / "in.jsonl"
    good = json.dumps(script("a", "print(1)"))
    path.write_text(f"{good}\n{row if isinstance(row, str) else json.dumps(row)}\n")
    with pytest.raises(DataError) as caught:
        run_batch(Batch(rows=path, out=tmp_path / "out.jsonl", backend="namespace"))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert says in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_the_judge_that_was_asked_for_must_be_possible(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [solution("a", "", cases=[[[1], 1]])])
    assert read_rows(tmp_path / "in.jsonl", "cases")
    with pytest.raises(DataError, match="judged by tests needs `test_code`"):
        read_rows(tmp_path / "in.jsonl", "tests")


def test_results_cannot_go_to_gzip(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [])
    with pytest.raises(UserError, match="gzip"):
        run_batch(Batch(rows=tmp_path / "in.jsonl", out=tmp_path / "out.jsonl.gz"))


@pytest.mark.parametrize("name", ["in.jsonl.zst", "in.jsonl.gz"])
def test_packed_rows_are_read(tmp_path, name):
    write_jsonl(tmp_path / name, [script("a", "")])
    assert [row.id for row in read_rows(tmp_path / name, None)] == ["a"]


def test_packed_results_are_written(tmp_path):
    _, out = batch(tmp_path, [script("a", "print(1)")], out=tmp_path / "deep" / "out.jsonl.zst")
    assert out[0]["stdout"] == "1\n"


def finished(name, verdict="ok", **more):
    return msgspec.to_builtins(OutRow(id=name, verdict=Verdict(verdict), stdout="kept", **more))


def test_resume_keeps_what_is_finished_and_tries_our_own_faults_again(tmp_path):
    rows = [script(name, "print('new')") for name in "abcd"]
    write_jsonl(tmp_path / "out.jsonl", [finished("c"), finished("a", "sandbox_error")])
    with (tmp_path / "out.jsonl").open("a") as file:
        file.write('{"id": "b", "verdict": "o')
    counts, out = batch(tmp_path, rows)
    assert [(row["id"], row["stdout"]) for row in out] == [
        ("a", "new\n"),
        ("b", "new\n"),
        ("c", "kept"),
        ("d", "new\n"),
    ]
    assert counts == {"ok": 4}
    _, again = batch(tmp_path, rows)
    assert again == out
    _, anew = batch(tmp_path, rows, resume=False)
    assert {row["stdout"] for row in anew} == {"new\n"}


def test_a_limit_keeps_the_results_beyond_it(tmp_path):
    rows = [script(name, "print('new')") for name in "abc"]
    write_jsonl(tmp_path / "out.jsonl", [finished("c")])
    counts, out = batch(tmp_path, rows, limit=1)
    assert [row["id"] for row in out] == ["a", "c"]
    assert counts == {"ok": 1}


def test_results_of_other_rows_are_not_mixed_in(tmp_path):
    write_jsonl(tmp_path / "out.jsonl", [finished("z")])
    with pytest.raises(DataError, match="holds results of other rows, as 'z'"):
        batch(tmp_path, [script("a", "")])
    assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["z"]


def test_a_machine_without_the_compiler_is_no_fault_of_the_program(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sandbox.languages").languages.ENVIRONMENT, "PATH", "/nowhere")
    counts, out = batch(tmp_path, [script("a", "", language="c"), script("b", "print(1)")])
    assert counts == {"sandbox_error": 1, "ok": 1}
    assert "gcc, which c needs, is not installed" in out[0]["detail"]


def test_a_killed_batch_goes_on_where_it_was(tmp_path):
    rows = [script(str(n), f"import time; time.sleep(.15); print({n})") for n in range(20)]
    write_jsonl(tmp_path / "in.jsonl", rows)
    out = tmp_path / "out.jsonl"
    command = [
        sys.executable, "-P", "-m", "opencoder", "sandbox", "batch", str(tmp_path / "in.jsonl"),
        "-o", str(out), "--backend", "namespace", "--concurrency", "2", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while time.monotonic() < end and first.poll() is None:
        if out.exists() and out.read_bytes().count(b"\n") >= 4:
            break
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    _, said = first.communicate()
    if first.returncode == 4:
        pytest.skip(said)
    before = {row["id"]: row for row in read_jsonl(out)}
    assert 4 <= len(before) < 20
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"ok": 20}
    after = list(read_jsonl(out))
    assert [row["id"] for row in after] == [row["id"] for row in rows]
    assert [row["stdout"] for row in after] == [f"{n}\n" for n in range(20)]
    assert all(row == before.get(row["id"], row) for row in after)


def test_limits_take_their_defaults():
    limits = LimitsRow.checked({"wall_s": 2, "pids": 5}).limits()
    assert (limits.wall_s, limits.pids, limits.memory_mb) == (2, 5, 1024)
    with pytest.raises(UserError, match="wrong limit"):
        LimitsRow.checked({"wall_s": "x"})


def test_a_result_becomes_a_row():
    backend = DockerSandbox()
    backend.image_digest = "sha256:1"
    result = Result(verdict=Verdict.OK, stdout=b"\xff", files={"a/b": b"\x00"}, attempts=2, signal=9)
    judgement = Judgement(verdict=Verdict.WRONG, result=result, detail="call 1: wrong answer")
    row = msgspec.to_builtins(out_row("x", judgement, backend))
    assert row.keys() >= FIELDS
    assert (row["verdict"], row["stdout"], row["files"]) == ("wrong", "\ufffd", {"a/b": "AA=="})
    assert (row["guarantee"], row["attempts"], row["detail"]) == ("full", 2, "call 1: wrong answer")


def test_a_row_of_the_battery_can_be_read():
    row = msgspec.json.decode(
        b'{"id":"x","category":"c","language":"python","program":"p","cases":[[[1,[2]],{"a":null}]]}',
        type=BatchRow,
    )
    assert row.cases == [([1, [2]], {"a": None})]
