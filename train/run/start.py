"""From options to the end of a run: what is made ready, in which order, and what is told in the end."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from opencoder.config import changed_keys
from opencoder.errors import UserError
from opencoder.files import make_folder, writing_to
from opencoder.log import logger, logging_to
from opencoder.runs import Run
from opencoder.store import write_json
from train import checkpoints
from train.launch.job import TRAINER
from train.run.evals import EvalPlan, Evals, forget_after
from train.run.folder import (
    CONSOLE,
    EVALS,
    LOG,
    OF_THE_RUN,
    Finished,
    newest,
    read_finished,
    step_to_go_on_from,
)
from train.run.metrics import cut_back, last_metric
from train.run.options import MAY_CHANGE, RunOptions, check
from train.run.preflight import preflight, require
from train.run.settle import settle
from train.run.supervise import Job, score_the_rest, supervise
from train.run.torchrun import launch, write_command
from train.schedule import learning_rate
from train.spec import (
    CHECKPOINTS,
    ERRORS,
    FINISHED,
    LOAD_STEP,
    SPEC,
    STOP,
    RunSpec,
    read_spec,
    write_spec,
)

log = logger.getChild("train")
_FIXED = ("name", "shape", "tokenizer", "batch", "optimizer", "data", "seed", "start")
"""Parts of a spec that are the same in all sessions of a run; ``batch.micro`` is not one of them."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to.

    Attributes:
        name: Recipe and preset.
        folder: The run folder.
        step: Last step done.
        steps: Steps of the whole run.
        reason: ``done`` or ``stopped``.
        checkpoint: Its newest checkpoint.
        loss: Of the last logged step.
        tokens: Seen so far.
        tokens_per_s: Of the last logged step.
        mfu: Of the last logged step; none on CPUs.
        skipped: Steps that the guard skipped.
    """

    name: str
    folder: str
    step: int
    steps: int
    reason: str
    checkpoint: str
    loss: float | None = None
    tokens: int = 0
    tokens_per_s: float | None = None
    mfu: float | None = None
    skipped: int = 0


def start(recipe: str, options: RunOptions, *, module: str = TRAINER) -> Ended:
    """Train, or go on training.

    Args:
        recipe: Name of the recipe.
        options: What was asked for.
        module: What a rank runs.

    Raises:
        UserError: An option or the data is wrong, or the folder holds another run.
        DependencyError: A package is missing, or the disk is full.
        InfraError: A rank was killed, or the run hangs.
        GateError: The guard stopped it.
        Interrupted: The user stopped it; it was saved.
    """
    check(options)
    settings = {"recipe": recipe, **asdict(options)}
    with Run.open(
        options.out, command="train run", config=settings, resume=options.resume, volatile=MAY_CHANGE
    ) as run:
        for name in OF_THE_RUN:
            run.path(name)
        run.manifest.seeds["run"] = options.seed
        run.save()
        with logging_to(run.folder / LOG):
            return _train(recipe, options, run, module)


def _train(recipe: str, options: RunOptions, run: Run, module: str) -> Ended:
    folder = run.folder.resolve()
    spec = settle(recipe, options, folder)
    _check_same(folder, spec)
    resume = resume_command(run.resume_command)
    finished = read_finished(folder)
    if _is_done(finished, spec) and options.load_step is None:
        log.info("%s is done already (%d steps); --steps goes further", folder, spec.steps)
        _score_left(folder, spec, options, module, resume)
        return _ended(folder, spec, finished or Finished(step=spec.steps, reason="done"))
    if options.load_step is not None:
        checkpoints.chosen(folder / CHECKPOINTS, options.load_step)
        write_json(folder / LOAD_STEP, {"step": options.load_step})
    require(folder, preflight(folder, spec))
    _tell_new_schedule(folder, spec)
    _make_ready(folder, spec)
    job = _job(folder, spec, options, module, resume)
    write_command(folder, job.launch)
    log.info(
        "%s: %s ranks, %s steps; consoles: %s", spec.name, spec.parallel.ranks, spec.steps, folder / CONSOLE
    )
    return _ended(folder, spec, supervise(job))


def _is_done(finished: Finished | None, spec: RunSpec) -> bool:
    return finished is not None and finished.reason == "done" and finished.step >= spec.steps


def _check_same(folder: Path, spec: RunSpec) -> None:
    """Refuse to go on with what another spec began: the recipe may have changed since.

    Raises:
        UserError: A part that must not change has changed; names it.
    """
    if not (folder / SPEC).exists() or newest(folder) is None:
        return
    old, new = (_fixed(one) for one in (read_spec(folder), spec))
    if keys := changed_keys(old, new, volatile=()):
        raise UserError(
            f"{folder} was begun with other settings: {', '.join(keys)}; choose another folder with -o, "
            "or start over with --no-resume"
        )


def _tell_new_schedule(folder: Path, spec: RunSpec) -> None:
    """Warn when a schedule that was cut for another length jumps: to go on after a decay is seldom meant."""
    step = step_to_go_on_from(folder)
    if not step or step >= spec.steps or not (folder / SPEC).exists():
        return
    before = read_spec(folder)
    last, planned = (learning_rate(one.schedule, step) for one in (before, spec))
    if not math.isclose(last, planned, rel_tol=1e-6):
        log.warning(
            "the learning rate is cut anew for %d steps in place of %d: %.3g at step %d, after %.3g at %d",
            *(spec.steps, before.steps, learning_rate(spec.schedule, step + 1), step + 1, last, step),
        )


def _fixed(spec: RunSpec) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins({name: getattr(spec, name) for name in _FIXED})
    del fields["batch"]["micro"]
    return fields


def _make_ready(folder: Path, spec: RunSpec) -> None:
    """Take away what an earlier session left behind, and write the spec."""
    step = step_to_go_on_from(folder) or 0
    if step:
        log.info("going on from step %d", step)
    cut_back(folder, step)
    forget_after(folder, step)
    make_folder(folder / CONSOLE)
    with writing_to(folder):
        for path in (folder / FINISHED, folder / STOP, *make_folder(folder / ERRORS).glob("*.json")):
            path.unlink(missing_ok=True)
    write_spec(folder, spec)


def _job(folder: Path, spec: RunSpec, options: RunOptions, module: str, resume: str) -> Job:
    plan = EvalPlan(
        every=options.eval_every,
        benches=tuple(options.eval_bench),
        limit=options.eval_limit,
        model=options.eval_model,
        gpus=options.eval_gpus,
        style="completion" if spec.data.form == "stream" else "chat",
    )
    return Job(
        folder=folder,
        name=spec.name,
        steps=spec.steps,
        launch=launch(folder, spec.parallel.ranks, module=module),
        resume=resume,
        hang_s=options.hang_minutes * 60,
        evals=Evals(folder, plan) if options.eval_every else None,
    )


def _score_left(folder: Path, spec: RunSpec, options: RunOptions, module: str, resume: str) -> None:
    if options.eval_every:
        score_the_rest(_job(folder, spec, options, module, resume))


def _ended(folder: Path, spec: RunSpec, finished: Finished) -> Ended:
    metric = last_metric(folder)
    step = newest(folder)
    return Ended(
        name=spec.name,
        folder=str(folder),
        step=finished.step,
        steps=spec.steps,
        reason=finished.reason,
        checkpoint="" if step is None else str(checkpoints.step_folder(folder / CHECKPOINTS, step)),
        loss=metric.loss if metric else None,
        tokens=metric.tokens if metric else 0,
        tokens_per_s=metric.tokens_per_s if metric else None,
        mfu=metric.mfu if metric else None,
        skipped=metric.skipped if metric else 0,
    )


def resume_command(command: str) -> str:
    """Return the command that goes on with a run: without what would take it back, and plain about it."""
    words: list[str] = []
    given = shlex.split(command)
    for place, word in enumerate(given):
        before = given[place - 1] if place else ""
        if word.startswith("--load-step") or before == "--load-step" or word in {"--resume", "--no-resume"}:
            continue
        words.append(word)
    return shlex.join([*words, "--resume"])


def ended_lines(ended: Ended) -> Sequence[str]:
    """Return what is told when a run has ended."""
    loss = "" if ended.loss is None else f", loss {ended.loss:.4f}"
    mfu = "" if ended.mfu is None else f", MFU {ended.mfu:.1%}"
    rate = "" if ended.tokens_per_s is None else f", {ended.tokens_per_s:,.0f} tokens/s"
    skipped = f", {ended.skipped} steps skipped" if ended.skipped else ""
    lines = [f"{ended.name}: {ended.reason} at step {ended.step} of {ended.steps}{loss}{rate}{mfu}{skipped}"]
    if ended.checkpoint:
        lines.append(f"checkpoint: {ended.checkpoint}")
    if (Path(ended.folder) / EVALS).exists():
        lines.append(f"scores: {Path(ended.folder) / EVALS}")
    return lines
