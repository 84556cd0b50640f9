"""Annealing with and without the synthetic part."""

from __future__ import annotations

from train.ablation.plan import Ablation, Arm, Stage
from train.run.prepare import MIXED_SHARE

STEPS = 40

ANNEALING_DATA = Ablation(
    name="annealing-data",
    about="Does annealing gain by a part of synthetic, educational text?",
    paper=(
        "arXiv 2411.04905 anneals on the pretraining data with a part of high-quality data (algorithmic "
        "code, synthetic snippets and textbooks) and calls that part crucial. Read in summaries of the "
        "paper; its figure of this ablation was not at hand, so none of its values stands here."
    ),
    budget=(
        "Both arms have the same number of steps, sequences and positions, the same decay, and start from "
        "the same weights and optimiser state. The synthetic part takes the place of raw code: the arm "
        f"with it sees {MIXED_SHARE:.0%} less raw code. The paper's high-quality data has other parts too."
    ),
    base=(Stage(name="1-tiny", recipe="tiny", steps=120, parts=(("documents", 1.0),)),),
    arms=(
        Arm(
            name="with-synthetic",
            about=f"raw code and {MIXED_SHARE:.0%} educational snippets",
            stages=(
                Stage(
                    name="1-anneal",
                    recipe="tiny-anneal",
                    steps=STEPS,
                    parts=(("documents", 1 - MIXED_SHARE), ("educational", MIXED_SHARE)),
                ),
            ),
        ),
        Arm(
            name="without",
            about="raw code alone",
            stages=(Stage(name="1-anneal", recipe="tiny-anneal", steps=STEPS, parts=(("documents", 1.0),)),),
        ),
    ),
    kinds=("code", "educational", "sft2"),
    primary="code",
)
