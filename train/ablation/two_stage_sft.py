"""Two stages of fine-tuning against the same data mixed, and against one of the two alone."""

from __future__ import annotations

from train.ablation.plan import Ablation, Arm, Stage
from train.builtin.rows import Kind
from train.run.prepare import MIXED_SHARE

STEPS = 30
"""Of each of the two stages; another arm has twice as many."""
RECIPE = "tiny-sft2"
"""Of every stage: with the recipes' own rates (5e-4 for stage 1) the arms would differ in more than data."""


def _stage(name: str, steps: int, *parts: Kind) -> Stage:
    return Stage(name=name, recipe=RECIPE, steps=steps, parts=tuple((part, 1.0) for part in parts))


TWO_STAGE_SFT = Ablation(
    name="two-stage-sft",
    about="Are two stages of fine-tuning, broad questions before code, better than both at once?",
    paper=(
        "arXiv 2411.04905 tunes in two stages, broad questions first and practical code second, and finds "
        "this effective. Read in summaries of the paper; its table of this ablation was not at hand, so "
        "none of its figures stands here."
    ),
    budget=(
        "Every arm has the same number of steps, sequences and positions, and one recipe, so the same peak "
        "of the learning rate. Two stages have two warm-ups and two decays, and an optimiser state each; "
        "that is part of what is compared. Trained tokens (those of answers) differ, as answers of the two "
        "sets differ in length; the table has them. In the paper the stages have passes, batches and "
        "learning rates of their own."
    ),
    base=(
        Stage(name="1-tiny", recipe="tiny", steps=120, parts=(("documents", 1.0),)),
        Stage(
            name="2-tiny-anneal",
            recipe="tiny-anneal",
            steps=40,
            parts=(("documents", 1 - MIXED_SHARE), ("educational", MIXED_SHARE)),
        ),
    ),
    arms=(
        Arm(
            name="two-stage",
            about="broad questions, then code",
            stages=(_stage("1-sft1", STEPS, "sft1"), _stage("2-sft2", STEPS, "sft2")),
        ),
        Arm(name="mixed", about="both in one stage", stages=(_stage("1-both", 2 * STEPS, "sft1", "sft2"),)),
        Arm(name="sft2-only", about="code alone", stages=(_stage("1-sft2", 2 * STEPS, "sft2"),)),
    ),
    kinds=("sft2", "sft1", "code"),
    primary="sft2",
)
