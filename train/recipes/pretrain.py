"""Pretraining of one OpenCoder model: warm-up, then the stable phase, to be annealed from any kept step."""

from __future__ import annotations

from train.recipe import (
    BatchPhase,
    CheckpointPlan,
    DataPlan,
    Figure,
    Preset,
    Recipe,
    TokenSchedule,
)
from train.recipes import facts as shared
from train.recipes.facts import Facts
from train.recipes.figures import AnyFigure, optimizer_figures, shape_figures
from train.recipes.origins import COMPUTED
from train.spec import Optimizer

OPTIMIZER = Optimizer(
    beta1=shared.BETA1.value,
    beta2=shared.BETA2.value,
    weight_decay=shared.WEIGHT_DECAY.value,
    max_norm=shared.MAX_NORM.value,
)


def batches_of(facts: Facts) -> tuple[BatchPhase, ...]:
    """Return the phases of the batch; all hold the same number of tokens."""
    last = BatchPhase(sequences=facts.sequences.value, seq_len=facts.seq_len.value)
    if facts.early is None:
        return (last,)
    sequences, seq_len, until = (figure.value for figure in facts.early)
    first = BatchPhase(sequences=sequences, seq_len=seq_len, until=until * facts.tokens_per_step.value)
    return (first, last)


def data_plan(preset: Preset, mixture: tuple[tuple[str, float], ...] = ()) -> DataPlan:
    """Return how documents are read: masked by document in the practical preset only."""
    return DataPlan(document_mask=preset == "practical", fim_rate=shared.FIM_RATE.value, mixture=mixture)


def checkpoint_plan(facts: Facts) -> CheckpointPlan:
    """Return a checkpoint every 1,000 steps of the published batch, none removed."""
    every = shared.KEEP_STEPS.value * facts.tokens_per_step.value
    return CheckpointPlan(every=every, keep=every)


def batch_figures(facts: Facts, *, early: bool) -> dict[str, AnyFigure]:
    """Return the figures of the batch, with those of the earlier phase where there was one."""
    found: dict[str, AnyFigure] = {}
    if early and facts.early is not None:
        found |= dict(zip(("early batch", "early sequence", "early until"), facts.early, strict=True))
    return found | {
        "batch": facts.sequences,
        "sequence": facts.seq_len,
        "tokens per step": facts.tokens_per_step,
    }


def pretrain(facts: Facts, preset: Preset) -> Recipe:
    """Return the pretraining recipe of a model.

    ``paper`` trains for the tokens that the paper names. ``released-checkpoint`` and ``practical`` stop
    where the released model left the stable phase; ``practical`` masks attention by document.
    """
    per_step = facts.tokens_per_step.value
    total = (
        facts.paper_tokens
        if preset == "paper"
        else Figure(
            facts.anneal_from.value * per_step,
            "tokens",
            COMPUTED,
            f"step {facts.anneal_from.value:,}, which annealing starts from, times the batch",
        )
    )
    warmup = Figure(
        shared.WARMUP_STEPS.value * per_step, "tokens", COMPUTED, facts.warmup_note or "2,000 steps"
    )
    figures: dict[str, AnyFigure] = {
        **shape_figures(facts.shape),
        **batch_figures(facts, early=True),
        "schedule": shared.SCHEDULE,
        "peak learning rate": shared.PEAK,
        "warm-up": shared.WARMUP_STEPS,
        "warm-up tokens": warmup,
        "tokens": total,
        "published steps": facts.trained_steps,
        **optimizer_figures(OPTIMIZER),
        "document mask": shared.MASK if preset == "practical" else shared.NO_MASK,
        "fill-in-the-middle": shared.FIM_RATE,
        "checkpoint every": shared.KEEP_STEPS,
        "GPU-hours": facts.gpu_hours,
        "GPUs": facts.gpus,
        "implied MFU": facts.mfu,
    }
    return Recipe(
        name=facts.name,
        preset=preset,
        stage="pretrain",
        about=f"Pretraining of {facts.title}: warm-up and stable phase.",
        shape=facts.shape,
        batches=batches_of(facts),
        schedule=TokenSchedule(
            total=total.value,
            peak=shared.PEAK.value,
            floor=shared.FLOOR.value,
            warmup=warmup.value,
            stable=total.value - warmup.value,
        ),
        optimizer=OPTIMIZER,
        data=data_plan(preset),
        checkpoints=checkpoint_plan(facts),
        figures=figures,
        conflicts=facts.conflicts,
    )
