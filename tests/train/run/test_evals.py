from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from opencoder.store import read_jsonl
from train import checkpoints
from train.run.evals import EvalPlan, Evals, Scored, forget_after
from train.run.folder import EVALS
from train.run.supervise import Job, supervise
from train.spec import CHECKPOINTS

PROGRAM = Path(__file__).resolve().parents[2] / "support" / "fake_opencoder.py"
PLAN = EvalPlan(every=4, benches=("mbpp",), limit=4, program=(sys.executable, str(PROGRAM)))


def save(run: Path, step: int) -> None:
    folder = checkpoints.step_folder(run / CHECKPOINTS, step)
    folder.mkdir(parents=True)
    (folder / "__0_0.distcp").write_bytes(b"weights of step %d" % step)
    checkpoints.record_complete(folder, step=step, tokens=step * 512)


def finish(evals: Evals) -> list[Scored]:
    ends = time.monotonic() + 60
    evals.tick()
    while not evals.is_idle:
        assert time.monotonic() < ends
        time.sleep(0.05)
        evals.tick()
    return list(read_jsonl(evals.folder / EVALS, Scored))


def test_checkpoints_are_scored_by_step_even_when_they_are_removed_meanwhile(tmp_path: Path):
    for step in (4, 6, 8):
        save(tmp_path, step)
    evals = Evals(tmp_path, PLAN)
    evals.tick()
    for step in (4, 8):
        checkpoints.remove(tmp_path / CHECKPOINTS, step)
    rows = finish(evals)
    assert [(row.step, row.tokens, row.value, row.n, row.run) for row in rows] == [
        (4, 2048, 0.04, 4, "evals/step-4"),
        (8, 4096, 0.08, 4, "evals/step-8"),
    ]
    assert not list((tmp_path / "pinned").iterdir())


def test_several_benchmarks_have_a_row_and_a_run_folder_each(tmp_path: Path):
    save(tmp_path, 4)
    rows = finish(Evals(tmp_path, replace(PLAN, benches=("mbpp", "multipl-e/humaneval-js"))))
    assert [(row.bench, row.run) for row in rows] == [
        ("mbpp", "evals/step-4/mbpp"),
        ("multipl-e/humaneval-js", "evals/step-4/multipl-e-humaneval-js"),
    ]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("export_fails", "export: error: the checkpoint is damaged (exit code 1"),
        ("eval_fails", "error: the model cannot be loaded (exit code 1"),
        ("infra", "2 samples could not be judged"),
    ],
)
def test_a_fault_is_recorded_as_one_and_is_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, error: str
):
    save(tmp_path, 4)
    monkeypatch.setenv("FAKE_OPENCODER", how)
    (row,) = finish(Evals(tmp_path, PLAN))
    assert row.value is None
    assert row.error.startswith(error)


def test_a_later_session_does_what_is_left_and_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(tmp_path, 4)
    monkeypatch.setenv("FAKE_OPENCODER", "eval_fails")
    finish(Evals(tmp_path, PLAN))
    monkeypatch.setenv("FAKE_OPENCODER", "fine")
    save(tmp_path, 8)
    rows = finish(Evals(tmp_path, PLAN))
    assert [(row.step, row.value) for row in rows] == [(4, None), (4, 0.04), (8, 0.08)]
    third = Evals(tmp_path, PLAN)
    third.tick()
    assert third.is_idle


def test_scores_of_steps_that_are_taken_back_are_set_aside(tmp_path: Path):
    for step in (4, 8):
        save(tmp_path, step)
    finish(Evals(tmp_path, PLAN))
    forget_after(tmp_path, 4)
    assert [row.step for row in read_jsonl(tmp_path / EVALS, Scored)] == [4]
    assert [path.name for path in (tmp_path / "evals").iterdir()] == ["step-4"]
    (aside,) = tmp_path.glob("evals-before-*")
    assert (aside / "evals" / "step-8").is_dir()


def test_checkpoints_are_scored_beside_the_training(make_job: Callable[..., Job]):
    job = make_job(step_s=0.1)
    job = replace(job, evals=Evals(job.folder, PLAN))
    assert supervise(job).reason == "done"
    assert [row.step for row in read_jsonl(job.folder / EVALS, Scored)] == [4, 8]
