import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from opencoder.errors import DependencyError, Interrupted, UserError
from opencoder.records import RunManifest
from opencoder.runs import Run, new_folder
from opencoder.store import read_json, read_jsonl

WORKER = """
import sys, time
from pathlib import Path
import msgspec
from opencoder.runs import Run

class Row(msgspec.Struct):
    unit: int
    value: int
    text: str

folder, num, pause_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
with Run.open(folder, command="test work", config={"num": num}) as run:
    table = run.table("rows", Row, key=lambda row: str(row.unit))
    for unit in reversed(range(num)):
        if str(unit) not in table:
            print("worked", unit, flush=True)
            table.add(Row(unit, unit * unit, "x" * 3000))
            time.sleep(pause_s)
    table.finish(order=lambda row: row.unit)
"""


class Row(msgspec.Struct):
    unit: str
    status: str = "done"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    preset: str = "a"
    temperature: float = 0.0
    concurrency: int = 1
    api_key: str | None = None


def open_run(folder, config=None, **options):
    options.setdefault("argv", ["test", "it", "-o", str(folder)])
    return Run.open(folder, command="test it", config=config or Config(), **options)


def open_rows(run, **options):
    return run.table("rows", Row, key=lambda row: row.unit, status=lambda row: row.status, **options)


def worker(folder, num, pause_s=0.0) -> Any:
    command = [sys.executable, "-c", WORKER, str(folder), str(num), str(pause_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def manifest_of(folder):
    return read_json(folder / "run.json", RunManifest)


def test_a_run_leaves_manifest_config_ledger_and_rows(tmp_path):
    with open_run(tmp_path / "run") as run:
        rows = open_rows(run)
        rows.add(Row("b"), Row("a", "failed"))
        rows.add(Row("c"))
        run.manifest.datasets["data"] = "0" * 64
        assert [row.unit for row in rows.finish()] == ["a", "b", "c"]
    manifest = manifest_of(tmp_path / "run")
    assert manifest.command == "test it"
    assert manifest.counts == {"done": 2, "failed": 1}
    assert manifest.datasets == {"data": "0" * 64}
    assert manifest.started <= manifest.ended
    assert manifest.hardware.cpus >= 1
    assert manifest.hardware.memory_mb > 100
    assert [row.unit for row in read_jsonl(tmp_path / "run" / "rows.jsonl", Row)] == ["a", "b", "c"]
    ledger = list(read_jsonl(tmp_path / "run" / "ledger.jsonl"))
    assert [(line["table"], line["key"], line["status"]) for line in ledger] == [
        ("rows", "b", "done"),
        ("rows", "a", "failed"),
        ("rows", "c", "done"),
    ]


def test_a_run_killed_again_and_again_ends_like_one_that_was_not(tmp_path):
    whole = worker(tmp_path / "whole", 60)
    worked, errors = whole.communicate()
    assert whole.returncode == 0, errors
    assert len(worked.splitlines()) == 60

    reported = []
    for _ in range(3):
        child = worker(tmp_path / "cut", 60, pause_s=0.005)
        lines = [child.stdout.readline() for _ in range(12)]
        child.kill()
        lines += child.stdout.readlines()
        child.communicate()
        # The unit named last may not have been committed before the kill.
        reported += lines[:-1]
    last = worker(tmp_path / "cut", 60)
    worked, errors = last.communicate()
    assert last.returncode == 0, errors
    reported += worked.splitlines(keepends=True)
    assert len(set(reported)) + 3 >= 60
    assert len(reported) == len(set(reported))
    assert (tmp_path / "cut" / "rows.jsonl").read_bytes() == (tmp_path / "whole" / "rows.jsonl").read_bytes()
    manifest = manifest_of(tmp_path / "cut")
    assert (manifest.sessions, manifest.counts) == (4, {"done": 60})


@pytest.mark.parametrize("missing", ["row", "ledger line", "half a row", "half a ledger line"])
def test_only_row_and_ledger_line_together_count(tmp_path, missing):
    with open_run(tmp_path) as run:
        open_rows(run).add(Row("a"), Row("b"))
    path = tmp_path / ("rows.jsonl" if "row" in missing else "ledger.jsonl")
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + (second[:9] if "half" in missing else b""))
    with open_run(tmp_path) as run:
        rows = open_rows(run)
        assert [row.unit for row in rows] == ["a"]
        assert "a" in rows
        assert "b" not in rows
        rows.add(Row("b"))
    assert [row.unit for row in read_jsonl(tmp_path / "rows.jsonl", Row)] == ["a", "b"]


def test_statuses_to_redo_are_forgotten(tmp_path):
    with open_run(tmp_path) as run:
        open_rows(run).add(Row("a"), Row("b", "infra_error"))
    with open_run(tmp_path) as run:
        rows = open_rows(run, redo={"infra_error"})
        assert "b" not in rows
        rows.add(Row("b"))
    assert manifest_of(tmp_path).counts == {"done": 2}
    with open_run(tmp_path) as run:
        assert len(open_rows(run, redo={"infra_error"})) == 2


def test_a_unit_cannot_be_recorded_twice(tmp_path):
    with open_run(tmp_path) as run:
        rows = open_rows(run)
        rows.add(Row("a"))
        for again in ([Row("a")], [Row("b"), Row("b")]):
            with pytest.raises(UserError, match="given twice"):
                rows.add(*again)
        assert len(rows) == 1


def test_other_settings_are_refused_by_name(tmp_path):
    with open_run(tmp_path):
        pass
    before = (tmp_path / "config.toml").read_bytes()
    with pytest.raises(UserError) as caught:
        open_run(tmp_path, Config(preset="b", temperature=0.5))
    message = str(caught.value)
    assert "other settings: preset, temperature;" in message
    assert message.endswith("--no-resume")
    assert (tmp_path / "config.toml").read_bytes() == before
    with pytest.raises(UserError, match="is a run of `test it`"):
        Run.open(tmp_path, command="test other", config=Config())


def test_how_a_run_goes_may_differ(tmp_path):
    with open_run(tmp_path):
        pass
    with open_run(tmp_path, Config(concurrency=8, api_key="secret")):
        pass
    assert manifest_of(tmp_path).sessions == 2


def test_no_secret_reaches_the_folder(tmp_path):
    argv = ["test", "it", "--api-key", "hush-1", "--api-key=hush-2"]
    with open_run(tmp_path, Config(api_key="hush-3"), argv=argv):
        pass
    for path in tmp_path.iterdir():
        assert b"hush" not in path.read_bytes()


def test_starting_over_moves_the_old_run_aside_and_nothing_else(tmp_path):
    with open_run(tmp_path) as run:
        open_rows(run).add(Row("a"))
        run.path("results.json").write_text("{}")
    (tmp_path / "mine.txt").write_text("mine")
    with open_run(tmp_path, Config(preset="b"), resume=False) as run:
        assert len(open_rows(run)) == 0
        assert not run.path("results.json").exists()
    (aside,) = tmp_path.glob("before-*")
    assert sorted(path.name for path in aside.iterdir()) == [
        "config.toml",
        "ledger.jsonl",
        "results.json",
        "rows.jsonl",
        "run.json",
    ]
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert manifest_of(tmp_path).sessions == 1


@pytest.mark.parametrize("name", ["config.toml", "ledger.jsonl", "rows.jsonl"])
def test_a_file_of_the_users_is_not_touched(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with (
        pytest.raises(UserError, match=f"{name} is .*choose another folder with -o"),
        open_run(tmp_path) as run,
    ):
        open_rows(run)
    assert (tmp_path / name).read_text() == "mine"


def test_a_broken_manifest_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match=r"run\.json: not the JSON"):
        open_run(tmp_path)


def test_a_live_owner_is_named_and_a_dead_one_is_not_in_the_way(tmp_path):
    child = worker(tmp_path / "run", 10_000, pause_s=0.01)
    child.stdout.readline()
    with pytest.raises(UserError, match=rf"in use by process {child.pid} on "):
        Run.open(tmp_path / "run", command="test work", config={"num": 10_000})
    child.kill()
    child.communicate()
    assert (tmp_path / "run" / "lock").exists()
    with Run.open(tmp_path / "run", command="test work", config={"num": 10_000}):
        pass


def test_one_process_cannot_open_a_folder_twice(tmp_path):
    with open_run(tmp_path), pytest.raises(UserError, match=f"by this very process \\(pid {os.getpid()}\\)"):
        open_run(tmp_path)
    with open_run(tmp_path):
        pass


def test_a_forked_child_does_not_keep_the_folder(tmp_path):
    code = (
        "import os, sys, time; from pathlib import Path; from opencoder.runs import Run\n"
        "run = Run.open(Path(sys.argv[1]), command='x', config={})\n"
        "child = os.fork()\n"
        "if child == 0: time.sleep(60); os._exit(0)\n"
        "print(child, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent: Any = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    orphan = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    try:
        with Run.open(tmp_path, command="x", config={}):
            pass
    finally:
        os.kill(orphan, 9)
        parent.stdout.close()


def test_ctrl_c_tells_how_to_go_on(tmp_path):
    argv = ["test", "it", "a b", "--no-resume", "--limit", "3"]

    def work():
        with open_run(tmp_path / "r n", argv=argv) as run:
            open_rows(run).add(Row("a"))
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        work()
    assert str(caught.value) == (
        f"stopped; 1 finished units are kept; to go on: opencoder test it 'a b' --limit 3 -o '{tmp_path}/r n'"
    )
    manifest = manifest_of(tmp_path / "r n")
    assert (manifest.counts, manifest.ended) == ({"done": 1}, "")


def test_a_full_disk_in_the_middle_keeps_finished_units(tiny_disk):
    folder, finished = tiny_disk / "run", []

    def work():
        with open_run(folder) as run:
            rows = open_rows(run)
            for i in range(10_000):
                rows.add(Row(f"{i:0500}"))
                finished.append(f"{i:0500}")

    with pytest.raises(DependencyError, match="disk is full"):
        work()
    assert len(finished) > 20
    rows = [row.unit for row in read_jsonl(folder / "rows.jsonl", Row)]
    assert rows[: len(finished)] == finished
    assert len(list(read_jsonl(folder / "ledger.jsonl"))) >= len(finished)


def test_a_read_only_folder_is_refused_in_one_line(read_only):
    with pytest.raises(UserError, match=f"cannot write to the folder {read_only}"):
        open_run(read_only / "run")


def test_config_can_be_passed_back(tmp_path):
    from opencoder.config import config_hash, load_file

    config = Config(preset="ü", temperature=0.1)
    with open_run(tmp_path, config):
        pass
    assert config_hash(load_file(tmp_path / "config.toml")) == config_hash(config)
    assert config_hash(config) != config_hash(replace(config, temperature=0.2))
    assert json.loads((tmp_path / "run.json").read_text())["config_hash"] == config_hash(config)


def test_a_folder_is_named_by_command_time_and_settings(tmp_path):
    folder = new_folder("eval run", "openai/m 1", {"a": 1}, root=tmp_path)
    assert folder.parent == tmp_path / "eval-run"
    assert folder.name[16:].startswith("-openai-m-1-")
    folder.mkdir()
    assert (tmp_path / "eval-run" / "latest").resolve() == folder.resolve()
