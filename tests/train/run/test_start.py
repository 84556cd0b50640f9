"""The whole command, with real processes and real signals; the trainer trains nothing.

Where torchrun's own ways do not matter a stand-in starts the ranks, which does not import torch.
"""

from __future__ import annotations

import hashlib
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

from opencoder.store import write_json
from train import checkpoints
from train.run.start import resume_command
from train.tokens.format import Manifest, Shard, TokenizerId

SUPPORT = Path(__file__).resolve().parents[2] / "support"
ROOT = SUPPORT.parent.parent


class Command:
    """``opencoder train run tiny -o RUN`` with data that is there."""

    def __init__(self, place: Path) -> None:
        self.place, self.run = place, place / "run"
        (place / "tokenizer").mkdir()
        (place / "tokenizer" / "tokenizer.json").write_text("{}")
        (place / "shards").mkdir()
        (place / "shards" / "s0.tokens").write_bytes(bytes(200))
        (place / "shards" / "s0.ends").write_bytes((50).to_bytes(8, "little") + (100).to_bytes(8, "little"))
        shard = Shard(name="s0", tokens=100, documents=2, source="a.jsonl", crc32={})
        identity = TokenizerId(sha256=hashlib.sha256(b"{}").hexdigest(), vocab=512, eos=0)
        manifest = Manifest(kind="documents", dtype="uint16", tokenizer=identity, shards=[shard])
        write_json(place / "shards" / "shards.json", manifest)

    def start(self, *words: str, steps: int = 10, real: bool = False, **fake: Any) -> subprocess.Popen[str]:
        given = [
            "-o",
            str(self.run),
            "--data",
            str(self.place / "shards"),
            "--tokenizer",
            str(self.place / "tokenizer"),
        ]
        env = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{SUPPORT}",
            "FAKE_TRAINER": json.dumps(fake),
            **({} if real else {"AGENT": "fake_torchrun"}),
        }
        words = ("tiny", *given, "--steps", str(steps), "--checkpoint-every", "4", *words)
        command = [sys.executable, "-P", str(SUPPORT / "train_run.py"), *words]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        out, err = process.communicate(timeout=90)
        return process.returncode, out, err

    def __call__(self, *words: str, steps: int = 10, **fake: Any) -> tuple[int, str, str]:
        return self.finish(self.start(*words, steps=steps, **fake))

    def steps(self) -> list[int]:
        lines = (self.run / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["step"] for line in lines]

    def wait_for(self, what: Callable[[], bool]) -> None:
        ends = time.monotonic() + 60
        while not what():
            assert time.monotonic() < ends, "it does not come"
            time.sleep(0.05)

    def reaches(self, step: int) -> Callable[[], bool]:
        return lambda: (self.run / "metrics.jsonl").exists() and step in self.steps()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def test_a_run_that_is_done_is_not_done_twice_and_goes_further_with_more_steps(command: Command):
    code, out, _ = command("--json")
    assert (code, json.loads(out)["reason"], json.loads(out)["step"]) == (0, "done", 10)
    consoles = list((command.run / "console" / "torchrun").iterdir())
    code, out, err = command()
    assert code == 0
    assert "is done already (10 steps); --steps goes further" in err
    assert list((command.run / "console" / "torchrun").iterdir()) == consoles
    code, out, err = command(steps=14)
    assert code == 0
    assert "going on from step 10" in err
    assert "learning rate" not in err
    assert command.steps() == list(range(1, 15))


def test_a_decay_that_is_cut_anew_is_told(command: Command):
    command()
    spec = json.loads((command.run / "spec.json").read_text())
    spec["schedule"] |= {"stable_steps": 0, "decay_steps": 8, "warmup_steps": 2}
    (command.run / "spec.json").write_text(json.dumps(spec))
    code, _, err = command(steps=14)
    floor, peak = spec["schedule"]["floor"], spec["schedule"]["peak"]
    told = f"for 14 steps in place of 10: {peak:.3g} at step 11, after {floor:.3g} at 10"
    assert code == 0
    assert f"the learning rate is cut anew {told}" in " ".join(err.split())


def test_sigterm_saves_and_the_same_command_goes_on(command: Command):
    process = command.start("--nproc", "2", steps=60, step_s=0.1, real=True)
    command.wait_for(command.reaches(5))
    process.send_signal(signal.SIGTERM)
    code, _, err = command.finish(process)
    (saved,) = checkpoints.steps(command.run / "checkpoint")[-1:]
    assert code == 130
    assert f"stopped and saved at step {saved}; to go on: opencoder train run" in err
    assert err.strip().endswith("--resume")
    assert not (command.run / "stop").exists()
    code, _, err = command("--nproc", "1", steps=60)
    assert code == 0
    assert f"going on from step {saved}" in err
    assert command.steps() == list(range(1, 61))


def test_a_second_signal_ends_ranks_that_do_not_listen(command: Command):
    process = command.start(steps=10_000, step_s=0.1, how="deaf")
    command.wait_for(command.reaches(5))
    process.send_signal(signal.SIGINT)
    command.wait_for((command.run / "stop").exists)
    process.send_signal(signal.SIGINT)
    code, _, err = command.finish(process)
    assert code == 130
    assert "killed; last whole checkpoint: " in err
    before = command.steps()
    time.sleep(0.5)
    assert command.steps() == before


def test_ranks_do_not_outlive_a_supervisor_that_is_killed(command: Command):
    process = command.start(steps=10_000, step_s=0.1, real=True)
    command.wait_for(command.reaches(5))
    process.kill()
    command.finish(process)
    command.wait_for((command.run / "finished.json").exists)
    finished = json.loads((command.run / "finished.json").read_text())
    assert finished["reason"] == "stopped"
    assert checkpoints.steps(command.run / "checkpoint")[-1] == finished["step"]


def test_an_earlier_checkpoint_can_be_gone_back_to(command: Command):
    command()
    code, _, err = command("--load-step", "9")
    assert code == 2
    assert "no whole checkpoint of step 9; there are: 8, 10" in err
    code, _, err = command("--load-step", "8", "--keep-last", "3", steps=12)
    assert code == 0
    assert "going on from step 8" in err
    assert command.steps() == list(range(1, 13))
    lines = [json.loads(line) for line in (command.run / "metrics.jsonl").read_text().splitlines()]
    assert lines[7]["session"] != lines[8]["session"]
    assert (command.run / "checkpoint-aside" / "step-10").is_dir()
    assert not (command.run / "load_step.json").exists()


def test_other_settings_are_refused(command: Command):
    command()
    code, _, err = command("--seed", "7")
    assert code == 2
    assert "holds a run with other settings: seed" in err
    code, _, err = command("--seed", "7", "--no-resume")
    assert code == 0
    assert len(list(command.run.glob("before-*/checkpoint/step-10"))) == 1


def test_a_recipe_that_has_changed_since_is_refused(command: Command):
    command()
    spec = json.loads((command.run / "spec.json").read_text())
    spec["optimizer"]["weight_decay"] = 0.5
    (command.run / "spec.json").write_text(json.dumps(spec))
    code, _, err = command(steps=14)
    assert code == 2
    assert "was begun with other settings: optimizer.weight_decay" in err


def test_a_damaged_checkpoint_is_named_with_the_one_before(command: Command):
    command()
    part = command.run / "checkpoint" / "step-10" / "__0_0.distcp"
    part.write_bytes(part.read_bytes()[:-1])
    code, _, err = command(steps=14)
    assert code == 2
    assert f"{part}: checkpoint file has" in err
    assert "go on from the one before with --load-step 8" in err
    assert command("--load-step", "8", steps=14)[0] == 0


def test_faults_of_data_are_told_before_anything_is_started(command: Command):
    (command.place / "tokenizer" / "tokenizer.json").write_text('{"other": 1}')
    code, _, err = command()
    assert code == 2
    assert "were made with another tokenizer" in err
    assert not (command.run / "console").exists()


def test_the_command_that_is_written_trains_without_a_supervisor(command: Command):
    command(real=True)
    for name in ("finished.json", "metrics.jsonl"):
        (command.run / name).unlink()
    checkpoints.remove(command.run / "checkpoint", 10)
    env = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    subprocess.run(["sh", str(command.run / "command.txt")], check=True, env=env, cwd="/", timeout=60)
    assert json.loads((command.run / "finished.json").read_text()) == {"step": 10, "reason": "done"}
    assert command.steps() == [9, 10]


def test_a_dry_run_writes_nothing(command: Command):
    code, out, _ = command("--dry-run", "--json", "--nproc", "2")
    planned = json.loads(out)
    assert code == 0
    assert not command.run.exists()
    assert planned["spec"]["steps"] == 10
    assert planned["spec"]["parallel"] == {"replicate": 1, "shard": 2, "tensor": 1}
    assert all(check["ok"] for check in planned["checks"])
    assert "--nproc-per-node 2" in planned["command"]
    code, out, _ = command("--dry-run")
    assert code == 0
    assert out.splitlines()[0].startswith("tiny/practical: ")
    assert out.splitlines()[-1].startswith("command: env ")


def test_a_stage_that_needs_weights_says_which_command_comes_first(command: Command):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ["-m", "opencoder", "train", "run", "tiny-anneal", "-o", str(command.run), "--dry-run"]
    done = subprocess.run([sys.executable, "-P", *words], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert (
        "tiny-anneal goes on from tiny: first opencoder train run tiny -o RUN, then give --start RUN"
        in done.stderr
    )


def test_the_command_that_goes_on_does_not_go_back():
    given = "opencoder train run tiny -o 'a b' --load-step 8 --no-resume --steps 12"
    assert resume_command(given) == "opencoder train run tiny -o 'a b' --steps 12 --resume"
    assert (
        resume_command("opencoder train run tiny -o a --load-step=8")
        == "opencoder train run tiny -o a --resume"
    )
