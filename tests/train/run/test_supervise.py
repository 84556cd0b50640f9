from __future__ import annotations

from collections.abc import Callable

import pytest

from opencoder.errors import DependencyError, GateError, InfraError, OpenCoderError
from train import checkpoints
from train.run.folder import read_finished
from train.run.metrics import last_metric
from train.run.supervise import Job, supervise
from train.spec import CHECKPOINTS

Make = Callable[..., Job]


def test_a_run_goes_to_its_end_on_two_ranks(make_job: Make):
    job = make_job(nproc=2)
    assert supervise(job).reason == "done"
    assert [checkpoints.steps(job.folder / CHECKPOINTS)] == [[8, 10]]
    metric = last_metric(job.folder)
    assert metric is not None
    assert metric.step == 10
    for rank in range(2):
        assert f"rank {rank} begins after step" in (job.folder / "console" / f"rank-{rank}.txt").read_text()


def test_a_rank_killed_by_kill_9_is_named(make_job: Make):
    job = make_job(real=True, nproc=2, rank=1, at=6, how="kill", step_s=0.1)
    with pytest.raises(InfraError) as caught:
        supervise(job)
    message = str(caught.value)
    assert "rank 1 was killed by SIGKILL" in message
    assert message.endswith("to go on: opencoder train run tiny -o RUN")
    steps = checkpoints.steps(job.folder / CHECKPOINTS)
    assert 4 in steps
    assert f"last whole checkpoint: {job.folder}/checkpoint/step-{steps[-1]};" in message


def test_a_disk_that_is_full_names_its_rank_and_the_way_on(make_job: Make):
    job = make_job(rank=0, at=6, how="full")
    with pytest.raises(DependencyError) as caught:
        supervise(job)
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        f"rank 0: disk is full; last whole checkpoint: {job.folder}/checkpoint/step-4; "
        "run: opencoder train run tiny -o RUN"
    )


def test_a_run_that_its_guard_stopped_is_a_gate(make_job: Make):
    with pytest.raises(GateError, match="rank 0: 8 steps in a row were skipped; there is no checkpoint yet"):
        supervise(make_job(at=3, how="nan"))


def test_a_fault_that_nobody_wrote_down_is_told_by_its_last_words(make_job: Make):
    job = make_job(real=True, at=3, how="raise")
    with pytest.raises(
        OpenCoderError, match="rank 0 ended with exit code 1: RuntimeError: nobody expected step 3"
    ):
        supervise(job)


def test_a_run_that_hangs_is_ended_with_the_stacks_of_its_ranks(make_job: Make):
    job = make_job(at=6, how="hang", hang_s=5.0)
    with pytest.raises(InfraError, match="no sign of life") as caught:
        supervise(job)
    assert "checkpoint/step-4" in str(caught.value)
    assert "misbehave" in (job.folder / "console" / "rank-0.txt").read_text()
    assert read_finished(job.folder) is None


def test_a_stop_file_ends_a_run_after_a_save(make_job: Make):
    job = make_job(spec={"steps": 10_000}, step_s=0.05)
    (job.folder / "stop").touch()
    finished = supervise(job)
    assert finished.reason == "stopped"
    assert checkpoints.steps(job.folder / CHECKPOINTS)[-1] == finished.step
