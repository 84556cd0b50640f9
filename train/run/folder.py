"""The files of a run folder besides those that ``train.spec`` names, and the records in them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from opencoder.store import read_json
from train import checkpoints
from train.spec import ASIDE, CHECKPOINTS, ERRORS, FINISHED, LOAD_STEP, METRICS, SINKS, SPEC, STOP

CONSOLE = "console"
"""What ranks print: ``rank-R.txt``, and ``torchrun.txt``."""
COMMAND = "command.txt"
PREFLIGHT = "preflight.json"
EVALS = "evals.jsonl"
EVAL_RUNS = "evals"
EXPORTS = "exports"
PINNED = "pinned"
"""Checkpoints that wait for their evaluation, as hard links."""
LOG = "log.jsonl"

OF_THE_RUN = (
    SPEC, METRICS, CHECKPOINTS, FINISHED, ERRORS, CONSOLE, COMMAND, PREFLIGHT, EVALS, EVAL_RUNS, EXPORTS,
    PINNED, STOP, LOG, LOAD_STEP, ASIDE, SINKS,
)  # fmt: skip
"""What ``--no-resume`` sets aside. Prepared data and tokenizer stay: ``train.run.prepare`` knows theirs."""

Kind = Literal["user", "data", "dependency", "infra", "gate", "internal"]


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run that no fault ended.

    Attributes:
        step: Last step done.
        reason: ``done``: all steps; ``stopped``: a signal or the stop file.
        checkpoint: Folder of the last checkpoint.
    """

    step: int
    reason: Literal["done", "stopped"]
    checkpoint: str = ""


class RankError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rank failed, in one line."""

    kind: Kind = "internal"
    message: str


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``metrics.jsonl``.

    Attributes:
        step: Counted from 1.
        loss: Mean over the step's trained tokens; ``None`` where it was not finite.
        grad_norm: Before clipping.
        lr: Learning rate.
        tokens: Seen by the run so far.
        tokens_per_s: Of all ranks.
        mfu: Model FLOPs utilisation, 0 to 1, full-attention count; none on CPUs.
        memory_gib: Peak of rank 0.
        skipped: Steps that the guard has skipped so far.
    """

    step: int
    loss: float | None = None
    grad_norm: float | None = None
    lr: float | None = None
    tokens: int = 0
    tokens_per_s: float | None = None
    mfu: float | None = None
    memory_gib: float | None = None
    skipped: int = 0


def read_finished(folder: Path) -> Finished | None:
    """Return how the run in a folder ended, or ``None`` if it has not ended by itself."""
    path = folder / FINISHED
    return read_json(path, Finished) if path.exists() else None


def newest(folder: Path) -> int | None:
    """Return the step of the newest whole checkpoint of a run."""
    there = checkpoints.steps(folder / CHECKPOINTS)
    return there[-1] if there else None


def step_to_go_on_from(folder: Path) -> int | None:
    """Return the step of the checkpoint that the trainer will load; ``None``: it begins anew."""
    path = folder / LOAD_STEP
    return read_json(path, dict[str, int])["step"] if path.exists() else newest(folder)
