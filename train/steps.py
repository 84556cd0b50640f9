"""From tokens and epochs to steps."""

from __future__ import annotations

import math

from opencoder.errors import UserError
from train.recipe import BatchPhase, EpochSchedule, Recipe, TokenSchedule
from train.spec import Schedule


def phase_of(recipe: Recipe, phase: int | None) -> int:
    """Return the index of a phase.

    Args:
        recipe: A recipe.
        phase: Counted from 1; may be left out where there is only one.

    Raises:
        UserError: There are several and none is chosen, or there is no such phase.
    """
    num = len(recipe.batches)
    if phase is None and num > 1:
        forms = "; ".join(
            f"--phase {index}: {batch.sequences} x {batch.seq_len}"
            for index, batch in enumerate(recipe.batches, 1)
        )
        raise UserError(f"{recipe.name} has {num} phases with batches of their own; choose one: {forms}")
    if phase is not None and not 1 <= phase <= num:
        raise UserError(f"--phase {phase}: {recipe.name} has {num}")
    return (phase or 1) - 1


def sequences_per_epoch(recipe: Recipe, batch: BatchPhase) -> float:
    """Return the sequences of one pass over the published dialogues, for plans before the data is counted."""
    data = recipe.data
    if data.form == "padded":
        return float(data.dialogues)
    return data.dialogues * min(data.dialogue_tokens, batch.seq_len) / batch.seq_len


def steps_of(
    recipe: Recipe,
    *,
    phase: int = 0,
    batch: BatchPhase | None = None,
    per_epoch: float | None = None,
    steps: int | None = None,
) -> tuple[int, Schedule]:
    """Return the steps of a phase and its schedule.

    Args:
        recipe: A recipe.
        phase: Index of the phase, from 0.
        batch: Another form of batch than the phase's own.
        per_epoch: Sequences of one pass over the data (fine-tuning); the published size by default.
        steps: Another length: the schedule is cut anew, with the decay's share of the run kept.

    Raises:
        UserError: ``steps`` is below 1, or the data is empty.
    """
    form = batch or recipe.batches[phase]
    if isinstance(recipe.schedule, EpochSchedule):
        each = sequences_per_epoch(recipe, form) if per_epoch is None else per_epoch
        found = _by_epochs(recipe.schedule, form, each)
    else:
        begin = (recipe.batches[phase - 1].until or 0) if phase else 0
        end = recipe.batches[phase].until or recipe.schedule.total
        found = _by_tokens(recipe.schedule, form, begin, min(end, recipe.schedule.total))
    return found if steps is None else (steps, _cut(found[0], found[1], steps))


def _by_tokens(plan: TokenSchedule, batch: BatchPhase, begin: int, end: int) -> tuple[int, Schedule]:
    def step_at(tokens: int) -> int:
        """Whole steps of this phase before the run has seen more tokens, as the published runs count."""
        return max(0, (tokens - begin) // batch.tokens)

    warmup = step_at(plan.warmup)
    stable = step_at(plan.warmup + plan.stable)
    schedule = Schedule(
        peak=plan.peak,
        floor=plan.floor,
        warmup_steps=warmup,
        stable_steps=stable - warmup if plan.decay else max(step_at(end) - warmup, 0),
        decay_steps=step_at(plan.warmup + plan.stable + plan.decay) - stable if plan.decay else 0,
        decay="exponential",
    )
    return max(1, step_at(end)), schedule


def _by_epochs(plan: EpochSchedule, batch: BatchPhase, per_epoch: float) -> tuple[int, Schedule]:
    if per_epoch <= 0:
        raise UserError("the data holds no sequence; check the folders of --data")
    steps = max(1, math.ceil(plan.epochs * per_epoch / batch.sequences))
    warmup = min(plan.warmup_steps, steps // 10)
    return steps, Schedule(
        peak=plan.peak,
        floor=plan.floor,
        warmup_steps=warmup,
        stable_steps=0,
        decay_steps=steps - warmup,
        decay="cosine",
    )


def _cut(old_steps: int, old: Schedule, steps: int) -> Schedule:
    """Return the schedule for another number of steps.

    The warm-up stays unless it would be more than half of the run. The decay keeps its share of what
    follows the warm-up, so that a run that decayed to its end still does.
    """
    if steps < 1:
        raise UserError(f"--steps {steps}: at least 1")
    warmup = min(old.warmup_steps, steps // 2)
    rest = steps - warmup
    old_rest = max(1, old_steps - old.warmup_steps)
    decay = round(rest * old.decay_steps / old_rest)
    return Schedule(
        peak=old.peak,
        floor=old.floor,
        warmup_steps=warmup,
        stable_steps=max(0, rest - decay),
        decay_steps=decay,
        decay=old.decay,
    )
