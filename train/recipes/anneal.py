"""Annealing of one OpenCoder model: a run of its own that decays from a chosen step of the stable phase."""

from __future__ import annotations

from train.recipe import Figure, Preset, Recipe, StartPlan, TokenSchedule
from train.recipes import facts as shared
from train.recipes.facts import Facts
from train.recipes.figures import AnyFigure, optimizer_figures, shape_figures
from train.recipes.origins import CHOICE, COMPUTED
from train.recipes.pretrain import OPTIMIZER, batch_figures, batches_of, checkpoint_plan, data_plan


def anneal(facts: Facts, preset: Preset) -> Recipe:
    """Return the annealing recipe of a model.

    ``paper``: 100B tokens from the end of pretraining. ``released-checkpoint``: from the step that the card
    names, stopped at the step that was released, before the end of the decay. ``practical``: from the last
    kept checkpoint, 100B tokens, down to the floor.
    """
    released = preset == "released-checkpoint"
    per_step = facts.tokens_per_step.value
    decay = (
        Figure(facts.anneal_steps.value * per_step, "tokens", COMPUTED, "published steps times the batch")
        if released
        else shared.PAPER_ANNEAL_TOKENS
    )
    total = (
        Figure(facts.released_step.value * per_step, "tokens", COMPUTED, "released step times the batch")
        if released
        else decay
    )
    start: AnyFigure = (
        facts.anneal_from if released else Figure("last", "", CHOICE, "the end of the stable phase")
    )
    figures: dict[str, AnyFigure] = {
        **shape_figures(facts.shape),
        **batch_figures(facts, early=False),
        "decay": shared.DECAY,
        "peak learning rate": shared.PEAK,
        "final learning rate": shared.FLOOR,
        "tokens": total,
        "decay tokens": decay,
        "starts from step": start,
        "published steps": facts.anneal_steps,
        "released step": facts.released_step,
        **{f"part {name}": figure for name, figure in shared.MIXTURE.items()},
        **optimizer_figures(OPTIMIZER),
        "document mask": shared.MASK if preset == "practical" else shared.NO_MASK,
        "fill-in-the-middle": shared.FIM_RATE,
        "checkpoint every": shared.KEEP_STEPS,
    }
    return Recipe(
        name=f"{facts.name}-anneal",
        preset=preset,
        stage="anneal",
        about=f"Annealing of {facts.title}: exponential decay on better data.",
        shape=facts.shape,
        batches=batches_of(facts)[-1:],
        schedule=TokenSchedule(
            total=total.value, peak=shared.PEAK.value, floor=shared.FLOOR.value, decay=decay.value
        ),
        optimizer=OPTIMIZER,
        data=data_plan(preset, tuple((name, figure.value) for name, figure in shared.MIXTURE.items())),
        start=StartPlan(
            recipe=facts.name, step=facts.anneal_from.value if released else None, optimizer=True
        ),
        checkpoints=checkpoint_plan(facts),
        figures=figures,
        conflicts=facts.conflicts,
    )
