"""Options of ``opencoder train run``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from opencoder.config import VOLATILE
from opencoder.errors import UserError

MAY_CHANGE = VOLATILE | {
    "nproc",
    "steps",
    "micro",
    "load_step",
    "checkpoint_every",
    "keep_last",
    "log_every",
    "sink",
    "eval_every",
    "eval_bench",
    "eval_limit",
    "eval_model",
    "eval_gpus",
    "hang_minutes",
    "dry_run",
}
"""Settings that may differ between the sessions of one run: they change how it goes, not what it learns."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """Options of a training run."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Run folder."""
    preset: Literal["paper", "released-checkpoint", "practical"] = "practical"
    """Whose figures: the paper's, those behind the released weights, or today's practice."""
    data: Annotated[list[str], Parameter(negative="")] = field(default_factory=list)
    """Folder of token shards, text or dialogues: FOLDER, FOLDER=WEIGHT, or PART=FOLDER for a part that the
    recipe weighs; repeat it for a mixture."""
    tokenizer: Path | None = None
    """Folder with tokenizer.json; that of --start if not given."""
    start: Path | None = None
    """Where the weights come from: a run folder, a checkpoint (step-N) or a Hugging Face folder."""
    nproc: int | None = None
    """Ranks on this machine; every visible GPU, or 1 on CPUs, if not given."""
    steps: int | None = None
    """Optimiser steps of the whole run; the recipe's if not given."""
    phase: int | None = None
    """Which phase of a recipe that has several, counted from 1; each is a run of its own."""
    micro: int | None = None
    """Sequences that a rank computes at a time; the recipe's if not given."""
    seed: int = 0
    """Seed of initial weights, order and mixture."""
    device: Literal["cpu", "cuda"] | None = None
    """Where it runs; the recipe's if not given."""
    compile: bool | None = None
    """Use torch.compile; as the recipe says if not given."""
    checkpoint_every: int | None = None
    """Steps between two checkpoints."""
    keep_last: int | None = None
    """Newest checkpoints that are kept (at least 2)."""
    log_every: int | None = None
    """Steps between two lines of metrics.jsonl."""
    sink: Annotated[list[Literal["tensorboard", "wandb"]], Parameter(negative="")] = field(
        default_factory=list
    )
    """Where metrics go besides metrics.jsonl."""
    eval_every: int = 0
    """Score the checkpoint of every so many steps; 0 for none."""
    eval_bench: Annotated[list[str], Parameter(negative="")] = field(default_factory=list)
    """Benchmark to score; repeat it for several."""
    eval_limit: int | None = None
    """Only the first so many tasks of each benchmark."""
    eval_model: str = "transformers/{folder}"
    """How the exported checkpoint is opened: transformers/{folder}, vllm/{folder} ..."""
    eval_gpus: str = ""
    """CUDA devices of evaluations, as in 6,7; none if not given, so that training keeps its memory."""
    hang_minutes: float = 30.0
    """End the run when it has shown no sign of life for so long; 0 waits for ever."""
    load_step: int | None = None
    """Go on from this checkpoint in place of the newest; later ones are set aside."""
    dry_run: Annotated[bool, Parameter(negative="")] = False
    """Show the plan, the checks and the command; start and write nothing."""
    resume: bool = True
    """Go on with what is in the run folder; --no-resume sets it aside."""


def check(options: RunOptions) -> None:
    """Refuse values that no run can have.

    Raises:
        UserError: One is out of range, or two do not go together.
    """
    for name in (
        "nproc",
        "steps",
        "phase",
        "micro",
        "checkpoint_every",
        "log_every",
        "eval_limit",
        "load_step",
    ):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} is {value}; give at least 1")
    if options.keep_last is not None and options.keep_last < 2:
        raise UserError(f"--keep-last is {options.keep_last}; give at least 2, so that one is always whole")
    if options.eval_every < 0 or options.hang_minutes < 0:
        raise UserError("--eval-every and --hang-minutes are 0 or more")
    if options.eval_every and not options.eval_bench:
        raise UserError("--eval-every needs --eval-bench NAME; see: opencoder eval list")
    if options.eval_every and options.checkpoint_every and options.eval_every % options.checkpoint_every:
        raise UserError(
            f"--eval-every {options.eval_every} is no multiple of --checkpoint-every "
            f"{options.checkpoint_every}; only checkpoints can be scored"
        )
    if options.eval_bench and not options.eval_every:
        raise UserError("--eval-bench needs --eval-every STEPS")
    if options.eval_every and "{folder}" not in options.eval_model:
        raise UserError(f"--eval-model is {options.eval_model!r}; it must hold {{folder}}")
