"""Training on torchtitan, for real: one rank, two ranks, going on, starting from elsewhere, ending badly."""

from __future__ import annotations

import math
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("torchtitan", reason="needs the extra `train`")

import torch

from tests.support import training
from tests.support.once import made_once
from tests.support.training import learned, make_spec, metrics, told, train
from train import checkpoints
from train.schedule import learning_rate
from train.spec import Checkpoints, Guard, Parallel, RunSpec, Schedule, Start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def halves(data: Path, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run on two ranks from step 8 to step 16."""

    def make(folder: Path) -> None:
        train(copy_until(whole, folder, 8), on_two_ranks(data))

    return made_once(tmp_path_factory, "halves", make)


def on_two_ranks(data: Path) -> RunSpec:
    rule = Checkpoints(every=4, keep_last=2, keep_every=4)
    return make_spec(data, parallel=training.two_ranks(), steps=16, checkpoints=rule)


def test_two_ranks_go_on_bit_for_bit(data: Path, halves: Path, tmp_path: Path) -> None:
    again = copy_until(halves, tmp_path / "again", 12)
    assert learned(train(again, on_two_ranks(data))) == learned(metrics(halves))[4:]


def sink_losses(run: Path) -> list[float]:
    """The losses in TensorBoard's files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (file,) = run.rglob("events.out.tfevents.*")
    events = EventAccumulator(str(file))
    events.Reload()
    return [event.value for event in events.Scalars("loss_metrics/global_avg_loss")]


def copy_until(run: Path, folder: Path, step: int) -> Path:
    """A run folder as it was when the checkpoint of ``step`` had been written."""
    shutil.copytree(run / "checkpoint" / f"step-{step}", folder / "checkpoint" / f"step-{step}")
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    file = folder.with_suffix(".pt")
    dcp_to_torch_save(folder, file)
    state: dict[str, Any] = torch.load(file, weights_only=False)
    flat: dict[str, torch.Tensor] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            flat[name] = value
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{name}.{key}", inner)

    walk("", state)
    return flat


def test_the_loss_falls_on_real_source_code(whole: Path) -> None:
    losses = [line["loss"] for line in metrics(whole)]
    assert len(losses) == 24
    # Weights that know nothing guess evenly over the vocabulary, but for logits of variance 1.
    assert losses[0] == pytest.approx(math.log(training.VOCAB) + 0.5, abs=0.4)
    assert statistics.mean(losses[-4:]) < losses[0] - 1


def test_every_step_has_the_rate_of_the_closed_form(data: Path, whole: Path) -> None:
    schedule = make_spec(data).schedule
    assert [line["lr"] for line in metrics(whole)] == pytest.approx(
        [learning_rate(schedule, step) for step in range(1, 25)], rel=1e-12
    )


def test_two_ranks_learn_what_one_does(whole: Path, halves: Path) -> None:
    one, two = metrics(whole)[8:16], metrics(halves)
    assert [line["step"] for line in two] == [line["step"] for line in one]
    assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], rel=2e-4)
    assert (halves / "checkpoint" / "step-16" / "__1_0.distcp").is_file()


def test_one_rank_goes_on_where_two_were(data: Path, whole: Path, halves: Path, tmp_path: Path) -> None:
    folder = copy_until(halves, tmp_path / "one", 16)
    lines = train(folder, make_spec(data))
    expected = metrics(whole)[16:]
    assert [line["step"] for line in lines] == [line["step"] for line in expected]
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in expected], rel=1e-3)


def test_tensor_parallel_ranks_learn_the_same(data: Path, whole: Path, tmp_path: Path) -> None:
    lines = train(tmp_path / "tensor", make_spec(data, parallel=Parallel(tensor=2), steps=3))
    expected = [line["loss"] for line in metrics(whole)[:3]]
    # The same seed draws other weights for parts of a matrix than for the whole one.
    assert lines[0]["loss"] == pytest.approx(expected[0], abs=0.3)
    assert lines[2]["loss"] < lines[0]["loss"]


def test_annealing_starts_from_a_chosen_checkpoint_keeps_its_own_by_rule_and_fills_the_sinks(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    start = Start(kind="checkpoint", path=str(whole / "checkpoint" / "step-16"), optimizer=True)
    decay = Schedule(peak=3e-3, floor=1e-4, warmup_steps=0, stable_steps=0, decay_steps=7)
    rule = Checkpoints(every=2, keep_last=2, keep_every=4, asynchronous=True)
    spec = make_spec(
        data, steps=7, schedule=decay, start=start, checkpoints=rule, sinks=["tensorboard", "wandb"]
    )
    lines = train(tmp_path / "anneal", spec)
    assert sink_losses(tmp_path / "anneal") == pytest.approx([line["loss"] for line in lines])
    assert list((tmp_path / "anneal").rglob("run-*.wandb"))
    assert [line["step"] for line in lines] == list(range(1, 8))
    assert lines[0]["loss"] < metrics(whole)[0]["loss"] - 1
    assert lines[-1]["lr"] == pytest.approx(1e-4)
    # The optimiser's step count goes on, which only its own state can tell.
    counts = {float(value) for name, value in weights(tmp_path / "anneal/checkpoint/step-7").items()
              if name.startswith(".optimizer") and name.endswith(".step")}  # fmt: skip
    assert counts == {23.0}
    folder = tmp_path / "anneal" / "checkpoint"
    assert checkpoints.steps(folder) == [4, 6, 7]
    assert checkpoints.steps(folder, whole=False) == [4, 6, 7]
    for step in (4, 6, 7):
        checkpoints.verify(folder / f"step-{step}")


def test_asked_to_stop_it_saves_ends_well_and_goes_on_bit_for_bit(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    process = training.start(tmp_path / "run", make_spec(data))
    for _ in range(1200):
        if len(metrics(tmp_path / "run")) >= 2 or process.poll() is not None:
            break
        time.sleep(0.05)
    (tmp_path / "run" / "stop").touch()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output[-3000:]
    finished = msgspec.json.decode((tmp_path / "run" / "finished.json").read_bytes())
    done = len(metrics(tmp_path / "run"))
    assert finished == {"step": done, "reason": "stopped"}
    assert checkpoints.steps(tmp_path / "run" / "checkpoint")[-1] == done
    (tmp_path / "run" / "stop").unlink()
    assert learned(train(tmp_path / "run", make_spec(data))) == learned(metrics(whole))
    one, two = (weights(folder / "checkpoint" / "step-24") for folder in (whole, tmp_path / "run"))
    assert one.keys() == two.keys()
    assert any("exp_avg" in name for name in one)
    # Numbers that are not there yet are NaN, which equals nothing.
    assert all(torch.equal(one[name].nan_to_num(), two[name].nan_to_num()) for name in one)


def test_a_damaged_checkpoint_is_named_and_the_one_before_can_be_chosen(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    run = copy_until(whole, copy_until(whole, tmp_path / "run", 8), 16)
    file = run / "checkpoint" / "step-16" / "__0_0.distcp"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    train(run, make_spec(data), code=3)
    assert told(run)["kind"] == "infra"
    assert f"{file}: checkpoint file is damaged" in told(run)["message"]
    assert told(run)["message"].endswith("go on from it with --load-step 8")
    (run / "load_step.json").write_text('{"step": 8}')
    assert learned(train(run, make_spec(data))) == learned(metrics(whole))[8:]
    assert file.parent.name in {path.name for path in (run / "checkpoint-aside").iterdir()}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    import subprocess

    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder]).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_last_checkpoint_whole(data: Path, small_disk: Path) -> None:
    # One checkpoint takes about 3.3 MB: the second one does not fit.
    spec = make_spec(data, checkpoints=Checkpoints(every=2, keep_last=2, keep_every=2))
    train(small_disk, spec, code=4)
    assert told(small_disk)["kind"] == "dependency"
    folder = small_disk / "checkpoint"
    says = f"disk is full: cannot write {folder}/step-4; last whole checkpoint: step 2; free some space"
    assert says in told(small_disk)["message"]
    checkpoints.verify(small_disk / "checkpoint" / "step-2")
    assert checkpoints.steps(small_disk / "checkpoint", whole=False) == [2]


def test_steps_that_are_not_finite_are_passed_over_and_then_end_the_run(data: Path, tmp_path: Path) -> None:
    wild = Schedule(peak=1e30, floor=1e30, warmup_steps=0, stable_steps=9, decay_steps=0)
    lines = train(tmp_path / "run", make_spec(data, schedule=wild, guard=Guard(max_skipped=3)), code=5)
    assert told(tmp_path / "run")["kind"] == "gate"
    assert "3 steps on end were skipped" in told(tmp_path / "run")["message"]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["grad_norm"] is None
    assert lines[-1]["skipped"] == 2
