"""From a recipe to a run on one machine or cluster: tokens to steps, a batch to micro-batches and layouts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from opencoder.errors import UserError
from train.overrides import Overrides
from train.plan.gpus import Gpu
from train.plan.split import MICRO_TOKENS, Need, advice, refusal, split, usable_gib
from train.recipe import BatchPhase, CheckpointPlan, Recipe
from train.spec import (
    CHECKPOINTS,
    Batch,
    Checkpoints,
    Compute,
    Data,
    Parallel,
    RunSpec,
    Source,
    Start,
)
from train.steps import phase_of, steps_of

GIB = 1 << 30


def resolve(
    recipe: Recipe,
    *,
    sources: Sequence[Source],
    tokenizer: Path | str,
    ranks: int = 1,
    gpu: Gpu | None = None,
    start: Start | None = None,
    per_epoch: float | None = None,
    phase: int | None = None,
    overrides: Overrides | None = None,
) -> RunSpec:
    """Make a recipe ready for a machine.

    Args:
        recipe: What is trained.
        sources: Folders of token shards and their weights (:func:`train.sources.sources_of`).
        tokenizer: Folder of the tokenizer.
        ranks: Processes over all nodes, one for each GPU.
        gpu: What each runs on; ``None`` for CPUs.
        start: Where the weights come from (:func:`train.origin.find_origin`); needed by all recipes but
            pretraining's first phase.
        per_epoch: Sequences of one pass over the data (``Sequences.per_epoch``), for recipes in epochs; the
            published size by default.
        phase: Which phase, from 1, of a recipe with several forms of batch.
        overrides: Values in place of the recipe's.

    Raises:
        UserError: The ranks cannot share the batch, a GPU cannot hold its share, a checkpoint to start from
            is missing, or a phase must be chosen.
    """
    changed = overrides or Overrides()
    index = phase_of(recipe, phase)
    form = changed.batch(recipe, index)
    compute = changed.compute(recipe, on_gpu=gpu is not None)
    parallel, batch = _share(recipe, form, ranks, gpu, compute, changed)
    steps, schedule = steps_of(recipe, phase=index, batch=form, per_epoch=per_epoch, steps=changed.steps)
    if changed.peak is not None:
        floor = schedule.floor * changed.peak / schedule.peak
        schedule = msgspec.structs.replace(schedule, peak=changed.peak, floor=floor)
    seed = changed.seed or 0
    return RunSpec(
        name=recipe.title if len(recipe.batches) == 1 else f"{recipe.title}/phase-{index + 1}",
        shape=changed.shape(recipe),
        tokenizer=str(tokenizer),
        batch=batch,
        steps=steps,
        schedule=schedule,
        optimizer=recipe.optimizer,
        data=_data(recipe, sources, changed, seed + index),
        parallel=parallel,
        compute=compute,
        checkpoints=_checkpoints(recipe.checkpoints, form, steps, compute, changed),
        start=_start(recipe, index, start),
        seed=seed,
        log_every=recipe.log_every,
    )


def resolve_phases(
    recipe: Recipe,
    folder: Path,
    *,
    sources: Sequence[Source],
    tokenizer: Path | str,
    ranks: int = 1,
    gpu: Gpu | None = None,
    start: Start | None = None,
    per_epoch: float | None = None,
    overrides: Overrides | None = None,
) -> list[tuple[Path, RunSpec]]:
    """Make all phases of a recipe ready, each with its run folder.

    A phase after the first starts from the last checkpoint of the one before, with the optimiser's state and
    another seed of the data's order.

    Args:
        recipe: What is trained.
        folder: The run folder of a recipe with one phase; the parent of ``phase-1``, ``phase-2`` ... else.
        sources: As for :func:`resolve`.
        tokenizer: As for :func:`resolve`.
        ranks: As for :func:`resolve`.
        gpu: As for :func:`resolve`.
        start: Of the first phase.
        per_epoch: As for :func:`resolve`.
        overrides: As for :func:`resolve`.

    Raises:
        UserError: As for :func:`resolve`.
    """
    num = len(recipe.batches)
    found: list[tuple[Path, RunSpec]] = []
    for phase in range(1, num + 1):
        spec = resolve(
            recipe,
            sources=sources,
            tokenizer=tokenizer,
            ranks=ranks,
            gpu=gpu,
            start=start,
            per_epoch=per_epoch,
            phase=phase,
            overrides=overrides,
        )
        place = folder if num == 1 else folder / f"phase-{phase}"
        found.append((place, spec))
        start = Start(kind="checkpoint", path=str(place / CHECKPOINTS / f"step-{spec.steps}"), optimizer=True)
    return found


def _share(
    recipe: Recipe, form: BatchPhase, ranks: int, gpu: Gpu | None, compute: Compute, changed: Overrides
) -> tuple[Parallel, Batch]:
    if gpu is None:
        return _share_on_cpus(form, ranks, changed)
    need = Need(
        shape=changed.shape(recipe),
        sequences=form.sequences,
        seq_len=form.seq_len,
        ranks=ranks,
        gpu=gpu,
        compute=compute,
        micro=changed.micro,
        shard=changed.shard,
        tensor=changed.tensor or 1,
    )
    way = split(need)
    if way is not None and way.fits:
        return way.parallel, way.batch
    total = (
        ""
        if way is None
        else f"{way.memory.total / GIB:.1f} GiB of {usable_gib(gpu):.1f} GiB on each {gpu.title}"
    )
    helps = "; ".join(advice([need])) or "nothing that a plan knows"
    raise UserError(
        f"{recipe.title} on {ranks} GPUs: {refusal(need) or 'needs ' + total}; what would do: {helps}; "
        f"see: opencoder train plan {recipe.name}"
    )


def _share_on_cpus(form: BatchPhase, ranks: int, changed: Overrides) -> tuple[Parallel, Batch]:
    tensor = changed.tensor or 1
    data_ranks = ranks // tensor
    shard = changed.shard or data_ranks
    if ranks % tensor or data_ranks % shard or form.sequences % data_ranks:
        raise UserError(
            f"{form.sequences} sequences a step cannot be shared evenly by {ranks} ranks "
            f"(tensor {tensor}, shard {shard})"
        )
    each = form.sequences // data_ranks
    micro = changed.micro or next(
        size
        for size in range(each, 0, -1)
        if each % size == 0 and (size == 1 or size * form.seq_len <= MICRO_TOKENS)
    )
    if each % micro:
        raise UserError(f"--micro {micro} does not divide the {each} sequences of a rank")
    parallel = Parallel(replicate=data_ranks // shard, shard=shard, tensor=tensor)
    return parallel, Batch(sequences=form.sequences, seq_len=form.seq_len, micro=micro)


def _data(recipe: Recipe, sources: Sequence[Source], changed: Overrides, seed: int) -> Data:
    plan = recipe.data
    return Data(
        sources=list(sources),
        form=plan.form,
        seed=seed,
        document_mask=plan.document_mask if changed.document_mask is None else changed.document_mask,
        fim_rate=plan.fim_rate if changed.fim_rate is None else changed.fim_rate,
    )


def _checkpoints(
    plan: CheckpointPlan, form: BatchPhase, steps: int, compute: Compute, changed: Overrides
) -> Checkpoints:
    unit = 1 if plan.unit == "steps" else form.tokens
    every = changed.checkpoint_every or max(1, plan.every // unit)
    every = min(every, steps)
    # A kept step must be one that is saved at all.
    keep = max(1, round(plan.keep / unit / every)) * every if plan.keep else 0
    return Checkpoints(
        every=every, keep_last=plan.keep_last, keep_every=keep, asynchronous=compute.device == "cuda"
    )


def _start(recipe: Recipe, index: int, start: Start | None) -> Start:
    if start is not None:
        return start
    if index:
        raise UserError(
            f"{recipe.name}: phase {index + 1} goes on from the last checkpoint of phase {index}; "
            "give --start its run folder or a checkpoint"
        )
    if not recipe.start.recipe:
        return Start()
    which = "the last checkpoint" if recipe.start.step is None else f"step {recipe.start.step}"
    raise UserError(
        f"{recipe.name} starts from {which} of {recipe.start.recipe}: give --start its run folder, one of "
        "its checkpoints, or a Hugging Face folder"
    )
