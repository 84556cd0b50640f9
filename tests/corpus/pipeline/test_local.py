"""Worker processes of this machine at their memory limit."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.pipeline import local
from corpus.pipeline.local import WORKER_BYTES, LocalExecutor
from corpus.pipeline.suspects import note
from corpus.pipeline.task import Done, Part, Task
from corpus.pipeline.work import Work
from opencoder.errors import InfraError


def _done(task: Task) -> bytes:
    return msgspec.msgpack.encode(Done(key=task.key))


def hungry_once(data: bytes) -> bytes:
    """Ask for more than a worker may have, the first time."""
    task = msgspec.msgpack.decode(data, type=Task)
    mark = Path(task.out, task.name)
    if task.name == "hungry" and not mark.exists():
        mark.touch()
        bytearray(WORKER_BYTES + 1)
    return _done(task)


def hungry_always(data: bytes) -> bytes:
    """Ask for more than a worker may have."""
    bytearray(WORKER_BYTES + 1)
    return _done(msgspec.msgpack.decode(data, type=Task))


HOSTILE = (3, 7)


def aborts_at_hostile(data: bytes) -> bytes:
    """Look at ten documents, of which two make a library abort."""
    task = msgspec.msgpack.decode(data, type=Task)
    for number in range(10):
        note(task, Work(Path(task.out)), number)
        if number in HOSTILE and number not in task.skip and task.name == "hostile":
            os.abort()
    rows = 10 - len(task.skip)
    return msgspec.msgpack.encode(Done(key=task.key, parts=[Part(name="", rows=rows, num_bytes=0)]))


def killed(data: bytes) -> bytes:
    """End as the kernel ends what takes too much of the machine."""
    os.kill(os.getpid(), signal.SIGKILL)
    return data


def reads_and_fills(data: bytes) -> bytes:
    """Read Parquet, then use half of what a worker may have."""
    task = msgspec.msgpack.decode(data, type=Task)
    assert pa.default_memory_pool().backend_name == "system"
    pq.read_table(Path(task.out, "a.parquet"))
    bytearray(WORKER_BYTES // 2)
    return _done(task)


def test_no_more_memory_costs_a_second_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "run_task", hungry_once)
    tasks = [Task(step="refine", name=name, out=str(tmp_path)) for name in ("a", "hungry", "b", "c")]
    with LocalExecutor(2) as executor:
        done = [task.name for task, _ in executor.run(tasks)]
    assert sorted(done) == ["a", "b", "c", "hungry"]


def test_documents_that_end_workers_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "run_task", aborts_at_hostile)
    Work(tmp_path).prepare()
    tasks = [Task(step="refine", name=name, out=str(tmp_path)) for name in ("a", "hostile", "b")]
    with LocalExecutor(2) as executor:
        done = {task.name: (task.skip, answer.parts[0].rows) for task, answer in executor.run(tasks)}
    assert done == {"a": ((), 10), "hostile": (HOSTILE, 8), "b": ((), 10)}


def test_a_kill_from_outside_blames_no_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "run_task", killed)
    with LocalExecutor(1) as executor, pytest.raises(InfraError, match="workers die over refine/a"):
        list(executor.run([Task(step="refine", name="a", out=str(tmp_path))]))


def test_never_enough_memory_names_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "run_task", hungry_always)
    with LocalExecutor(1) as executor, pytest.raises(InfraError, match=r"refine/a .* raise --memory"):
        list(executor.run([Task(step="refine", name="a", out=str(tmp_path))]))


def test_what_a_library_reserves_is_not_what_it_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"a": ["x" * 1000] * 1000}), tmp_path / "a.parquet")
    monkeypatch.setattr(local, "run_task", reads_and_fills)
    with LocalExecutor(1) as executor:
        assert len(list(executor.run([Task(step="refine", name="a", out=str(tmp_path))]))) == 1
