"""Checkpoints scored while the training goes on: exported, then ``opencoder eval run``, one at a time.

::

    pinned/step-N      the checkpoint as hard links, until it is exported (the training may remove its own)
    exports/step-N     the Hugging Face folder
    evals/step-N       the run folder of ``opencoder eval run``
    evals.jsonl        one line for each checkpoint and benchmark: the step axis of a leaderboard

A fault of an evaluation is recorded as one. It is never a score, and it never ends the training.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from opencoder.errors import DataError
from opencoder.files import make_folder
from opencoder.log import logger
from opencoder.store import JsonlAppender, read_json, read_jsonl, write_jsonl
from train import checkpoints
from train.run import processes
from train.run.folder import CONSOLE, EVAL_RUNS, EVALS, EXPORTS, PINNED
from train.spec import CHECKPOINTS

log = logger.getChild("train")
_TAIL_BYTES = 1 << 12


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``evals.jsonl``.

    Attributes:
        step: Optimiser steps that the checkpoint has seen.
        tokens: Tokens that it has seen.
        bench: Benchmark.
        metric: What ``value`` is.
        value: Share of solved tasks; ``None`` where nothing was found out.
        n: Tasks that count.
        run: Folder of the evaluation, relative to the run folder.
        error: Fault of infrastructure that kept it from being scored.
    """

    step: int
    tokens: int
    bench: str
    metric: str = "pass@1"
    value: float | None = None
    n: int = 0
    run: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalPlan:
    """What is scored.

    Attributes:
        every: Steps between two scored checkpoints.
        benches: Benchmarks.
        limit: Only the first so many tasks of each.
        model: How the exported folder is opened; ``{folder}`` stands for it.
        gpus: ``CUDA_VISIBLE_DEVICES`` of export and evaluation.
        style: ``completion`` for models that were not taught to chat, though their tokenizer has a template.
        program: What ``opencoder`` is started with.
    """

    every: int
    benches: tuple[str, ...]
    limit: int | None = None
    model: str = "transformers/{folder}"
    gpus: str = ""
    style: Literal["chat", "completion"] = "completion"
    program: tuple[str, ...] = (sys.executable, "-P", "-m", "opencoder")

    def export(self, checkpoint: Path, out: Path) -> list[str]:
        """Return the command that makes a Hugging Face folder of a checkpoint."""
        return [*self.program, "-q", "train", "export", str(checkpoint), "-o", str(out)]

    def run(self, exported: Path, out: Path, labels: dict[str, int]) -> list[str]:
        """Return the command that scores an exported checkpoint; its result is one line of JSON."""
        return [
            *self.program, "-q", "eval", "run", self.model.replace("{folder}", str(exported)),
            "--bench", ",".join(self.benches),
            "-o", str(out),
            "--json",
            *("--style", self.style),
            *(word for name, value in labels.items() for word in ("--label", f"{name}={value}")),
            *([] if self.limit is None else ["--limit", str(self.limit)]),
        ]  # fmt: skip


@dataclass(slots=True)
class _Now:
    step: int
    tokens: int
    exporting: bool
    process: subprocess.Popen[bytes]
    console: Path


@dataclass(slots=True)
class Evals:
    """The evaluations of a run. Call :meth:`tick` now and then, and :meth:`close` in the end.

    Attributes:
        folder: The run folder, absolute.
        plan: What is scored.
        waiting: Steps that are pinned and not scored yet, in order.
    """

    folder: Path
    plan: EvalPlan
    waiting: list[int] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _now: _Now | None = None

    def __post_init__(self) -> None:
        """Leave out what an earlier session scored; what it pinned or exported waits still."""
        path = self.folder / EVALS
        if path.exists():
            self._seen = {row.step for row in read_jsonl(path, Scored) if not row.error}
        left = {*checkpoints.steps(self.folder / PINNED), *self._exported()}
        self.waiting = sorted(left - self._seen)
        self._seen.update(self.waiting)

    @property
    def is_idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return self._now is None and not self.waiting

    def tick(self) -> None:
        """Pin new checkpoints, take in what has ended, start what is next."""
        for step in checkpoints.steps(self.folder / CHECKPOINTS):
            if step % self.plan.every == 0 and step not in self._seen:
                self._seen.add(step)
                self._pin(step)
        if self._now is not None and (code := self._now.process.poll()) is not None:
            self._end(self._now, code)
        if self._now is None and self.waiting:
            self._start(self.waiting[0])

    def close(self) -> None:
        """End what runs; it is done again by the next session."""
        if self._now is not None:
            processes.kill_tree(self._now.process)
            self._now = None

    def _exported(self) -> list[int]:
        found = (self.folder / EXPORTS).glob("step-*/config.json")
        return [int(path.parent.name.removeprefix("step-")) for path in found]

    def _pin(self, step: int) -> None:
        source = checkpoints.step_folder(self.folder / CHECKPOINTS, step)
        pinned = checkpoints.step_folder(make_folder(self.folder / PINNED), step)
        try:
            shutil.copytree(source, pinned, copy_function=_link, dirs_exist_ok=True)
            self.waiting.append(step)
        except (OSError, shutil.Error) as error:
            self._fault(step, 0, f"checkpoint could not be kept for its evaluation: {error}")

    def _start(self, step: int) -> None:
        pinned = checkpoints.step_folder(self.folder / PINNED, step)
        exported = checkpoints.step_folder(self.folder / EXPORTS, step)
        tokens, exporting = _tokens(pinned), step not in self._exported()
        if exporting:
            command = self.plan.export(pinned, exported)
        else:
            out = self.folder / EVAL_RUNS / f"step-{step}"
            command = self.plan.run(exported, out, {"step": step, "tokens": tokens})
        console = (
            make_folder(self.folder / CONSOLE) / f"eval-step-{step}.{'export' if exporting else 'run'}.txt"
        )
        nice = ["nice", "-n", "10"] if shutil.which("nice") else []
        process = processes.start([*nice, *command], {"CUDA_VISIBLE_DEVICES": self.plan.gpus}, console)
        self._now = _Now(step, tokens, exporting, process, console)

    def _end(self, now: _Now, code: int) -> None:
        self._now = None
        if now.exporting and code == 0:
            return
        self.waiting.remove(now.step)
        if now.exporting:
            self._fault(now.step, now.tokens, f"export: {_last_line(now.console, code)}")
        else:
            self._record(now, code)
        shutil.rmtree(checkpoints.step_folder(self.folder / PINNED, now.step), ignore_errors=True)

    def _record(self, now: _Now, code: int) -> None:
        results = _results(now.console)
        rows = []
        for bench in self.plan.benches:
            found = results.get(bench)
            if found is None:
                self._fault(now.step, now.tokens, _last_line(now.console, code), benches=(bench,))
                continue
            faults = int(found.get("infra_errors", 0))
            error = f"{faults} samples could not be judged" if faults else ""
            value = None if faults else found["pass_at_k"].get("1")
            run = f"{EVAL_RUNS}/step-{now.step}"
            row = Scored(
                step=now.step,
                tokens=now.tokens,
                bench=bench,
                value=value,
                n=found["num_tasks"],
                run=run if len(self.plan.benches) == 1 else f"{run}/{bench.replace('/', '-')}",
                error=error,
            )
            rows.append(row)
            shown = error or (f"pass@1 {value:.1%}" if value is not None else "nothing was scored")
            log.info("step %d: %s: %s of %d tasks", now.step, bench, shown, row.n)
        self._append(rows)

    def _fault(self, step: int, tokens: int, error: str, benches: tuple[str, ...] | None = None) -> None:
        names = self.plan.benches if benches is None else benches
        log.warning("step %d was not scored on %s: %s", step, ", ".join(names), error)
        self._append([Scored(step=step, tokens=tokens, bench=name, error=error) for name in names])

    def _append(self, rows: list[Scored]) -> None:
        with JsonlAppender(self.folder / EVALS) as file:
            file.append(*rows)


def forget_after(folder: Path, step: int) -> None:
    """Set aside what was scored after a step that the run goes back to: those steps will be others.

    Args:
        folder: The run folder.
        step: The last one that stays.
    """
    path = folder / EVALS
    if path.exists():
        rows = list(read_jsonl(path, Scored))
        if any(row.step > step for row in rows):
            write_jsonl(path, [row for row in rows if row.step <= step])
    aside = folder / f"{EVAL_RUNS}-before-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    for name in (PINNED, EXPORTS, EVAL_RUNS):
        later = [number for number in _steps_in(folder / name) if number > step]
        for number in later:
            place = make_folder(aside / name) / f"step-{number}"
            checkpoints.step_folder(folder / name, number).replace(place)


def _steps_in(folder: Path) -> list[int]:
    return checkpoints.steps(folder, whole=False)


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except FileExistsError:
        return


def _tokens(checkpoint: Path) -> int:
    try:
        return read_json(checkpoint / checkpoints.COMPLETE, checkpoints.Complete).tokens
    except DataError:
        return 0


def _results(console: Path) -> dict[str, Any]:
    """Return results by benchmark: the last line of what ``eval run --json`` printed."""
    for line in reversed(console.read_bytes().splitlines()):
        try:
            found = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            continue
        rows: dict[str, Any] = (
            found["benchmarks"] if "benchmarks" in found else {found.get("benchmark", ""): found}
        )
        return rows
    return {}


def _last_line(console: Path, code: int) -> str:
    data = console.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    return f"{lines[-1] if lines else 'no output'} (exit code {code}; see {console})"
