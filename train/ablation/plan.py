"""What an ablation is: arms that spend one budget on different data, and what is compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from opencoder.errors import UserError
from train.builtin.rows import Kind

HeldKind = Literal["code", "educational", "sft1", "sft2"]
"""``code``: held-out functions as plain source, a form that no stage but pretraining shows. The others: the
held-out rows of ``train.builtin``; of dialogues only the answers count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One run of a chain.

    Attributes:
        name: Of its folder.
        recipe: Of the tiny model.
        steps: Optimiser steps.
        parts: Built-in data and its shares of the sequences.
    """

    name: str
    recipe: str
    steps: int
    parts: tuple[tuple[Kind, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to spend the budget.

    Attributes:
        name: As tables name it.
        about: What it is, in a phrase.
        stages: In order; each starts from the one before, the first from the base.
    """

    name: str
    about: str
    stages: tuple[Stage, ...]

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """A comparison.

    Attributes:
        name: As the command names it.
        about: The question.
        paper: What the paper does and says, and what is known of it here.
        budget: In what the arms are equal and in what not.
        base: Runs that come before all arms, once.
        arms: The first one is what the others are compared with.
        kinds: What is measured.
        primary: The kind that the verdict is on; chosen before anything was run.
    """

    name: str
    about: str
    paper: str
    budget: str
    base: tuple[Stage, ...]
    arms: tuple[Arm, ...]
    kinds: tuple[HeldKind, ...]
    primary: HeldKind


def scaled(ablation: Ablation, scale: float) -> Ablation:
    """Return the ablation with all lengths multiplied; the arms' budgets stay equal.

    Args:
        ablation: As registered.
        scale: Factor of all steps, above 0.

    Raises:
        UserError: A stage would have no step.
    """
    if not 0 < scale < float("inf"):
        raise UserError(f"--steps-scale {scale}: give a number above 0")
    return replace(
        ablation,
        base=_scaled_stages(ablation.base, scale),
        arms=tuple(replace(arm, stages=_scaled_stages(arm.stages, scale)) for arm in ablation.arms),
    )


def _scaled_stages(stages: tuple[Stage, ...], scale: float) -> tuple[Stage, ...]:
    """Round where stages end, not how long they are, so that equal sums stay equal."""
    found, end, before = [], 0, 0
    for stage in stages:
        end += stage.steps
        now = round(end * scale)
        if now <= before:
            raise UserError(f"--steps-scale {scale} leaves no step for {stage.name}; give a larger one")
        found.append(replace(stage, steps=now - before))
        before = now
    return tuple(found)
