"""A trainer that trains nothing and keeps to the contract of the run folder: ``-m fake_trainer RUN_FOLDER``.

It takes ``FAKE_TRAINER`` as JSON: ``step_s``, ``rank`` and ``at`` (who does it, at which step) and ``how``:
``kill``, ``hang``, ``full`` (disk), ``nan`` (the guard stops the run), ``raise`` (a fault nobody wrote down)
or ``deaf`` (does not heed the stop file). The loss of a step is a function of its number.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from opencoder.store import JsonlAppender, write_json
from train import checkpoints
from train.spec import CHECKPOINTS, METRICS, STOP, RunSpec, read_spec


class Trainer:
    def __init__(self, folder: Path, spec: RunSpec, settings: dict[str, Any]) -> None:
        self.folder, self.spec, self.settings = folder, spec, settings
        self.rank = int(os.environ["RANK"])
        self.asked = False
        self.saved = -1

    def train(self) -> int:
        signal.signal(signal.SIGTERM, self.ask)
        faulthandler.register(signal.SIGUSR2, all_threads=True)
        step = self.first_step()
        sys.stderr.write(f"rank {self.rank} begins after step {step}\n")
        sys.stderr.flush()
        while step < self.spec.steps and not self.is_asked():
            step += 1
            time.sleep(self.settings.get("step_s", 0.01))
            if self.settings.get("at") == step and self.settings.get("rank", 0) == self.rank:
                self.misbehave(self.settings["how"], step)
            self.log(step)
            if step % self.spec.checkpoints.every == 0:
                self.save(step)
        if self.saved != step:
            self.save(step)
        if self.rank == 0:
            reason = "done" if step >= self.spec.steps else "stopped"
            write_json(self.folder / "finished.json", {"step": step, "reason": reason})
        return 0

    def ask(self, *_: object) -> None:
        self.asked = True

    def is_asked(self) -> bool:
        if self.settings.get("how") == "deaf":
            return False
        return self.asked or (self.folder / STOP).exists()

    def first_step(self) -> int:
        folder, path = self.folder / CHECKPOINTS, self.folder / "load_step.json"
        there = checkpoints.steps(folder)
        if not path.exists():
            return there[-1] if there else 0
        step = int(json.loads(path.read_text())["step"])
        for later in [number for number in there if number > step]:
            checkpoints.set_aside(folder, later, self.folder / "checkpoint-aside")
        path.unlink()
        return step

    def log(self, step: int) -> None:
        if self.rank == 0 and step % self.spec.log_every == 0:
            line = {
                "step": step,
                "loss": 8 / step,
                "tokens": step * self.spec.batch.tokens,
                "tokens_per_s": 1000.0,
            }
            with JsonlAppender(self.folder / METRICS) as file:
                file.append({**line, "skipped": 0, "session": os.getpid()})

    def save(self, step: int) -> None:
        self.saved = step
        if self.rank:
            return
        folder = checkpoints.step_folder(self.folder / CHECKPOINTS, step)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__0_0.distcp").write_bytes(b"weights of step %d" % step)
        checkpoints.record_crc(folder, 0)
        checkpoints.record_complete(folder, step=step, tokens=step * self.spec.batch.tokens)
        there = checkpoints.steps(self.folder / CHECKPOINTS)
        for old in checkpoints.to_remove(there, keep_last=self.spec.checkpoints.keep_last, keep_every=0):
            checkpoints.remove(self.folder / CHECKPOINTS, old)

    def misbehave(self, how: str, step: int) -> None:
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "hang":
            time.sleep(600)
        if how == "raise":
            raise RuntimeError(f"nobody expected step {step}")
        if how in {"full", "nan"}:
            kind = {"full": "dependency", "nan": "gate"}[how]
            message = {"full": "disk is full", "nan": "8 steps in a row were skipped"}[how]
            path = self.folder / "errors" / f"rank-{self.rank}.json"
            write_json(path, {"kind": kind, "message": message})
            sys.exit(4)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    sys.exit(Trainer(home, read_spec(home), json.loads(os.environ.get("FAKE_TRAINER", "{}"))).train())
