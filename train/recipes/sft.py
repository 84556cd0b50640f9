"""Fine-tuning in two stages, the same for both OpenCoder models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from train.recipe import (
    BatchPhase,
    CheckpointPlan,
    DataPlan,
    EpochSchedule,
    Figure,
    Origin,
    Preset,
    Recipe,
    StartPlan,
)
from train.recipes.facts import Facts
from train.recipes.figures import AnyFigure, optimizer_figures, shape_figures
from train.recipes.origins import (
    CHOICE,
    HF_DEFAULTS,
    SFT_DATA,
    SFT_SCRIPT_1,
    SFT_SCRIPT_2,
    SFT_TOOL,
)
from train.spec import Compute, Optimizer

SftStage = Literal[1, 2]


@dataclass(frozen=True, kw_only=True, slots=True)
class StageFacts:
    """What the script of one stage says.

    Attributes:
        script: The script.
        epochs: Passes over the data.
        peak: Highest learning rate.
        batch: Dialogues of a step.
        length: Tokens after which a dialogue is cut.
        dialogues: Of the published data.
        packed: Sequences of a step where dialogues are packed.
    """

    script: Origin
    epochs: int
    peak: float
    batch: int
    length: int
    dialogues: int
    packed: int


STAGES: dict[SftStage, StageFacts] = {
    1: StageFacts(
        script=SFT_SCRIPT_1, epochs=1, peak=2e-5, batch=4096, length=1216, dialogues=4_210_000, packed=512
    ),
    2: StageFacts(
        script=SFT_SCRIPT_2, epochs=3, peak=5e-5, batch=512, length=1500, dialogues=375_000, packed=64
    ),
}
WARMUP_STEPS = 100
SAVE_STEPS = 100
PACKED_LEN = 4096
OPTIMIZER = Optimizer(beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, max_norm=1.0)
"""As transformers' Trainer has it where nothing is said (``optim="adamw_torch"``)."""
CONFLICTS = (
    "The script ends an answer with a line break before the end token; the released chat template has none. "
    "`paper` and `released-checkpoint` write it as the script does, `practical` as the template does.",
    "The scripts name configs/stage3.json, which the repository does not hold; it holds zero1.json and "
    "zero3.json. Here FSDP does that work.",
    "The script pads to the longest dialogue of a micro-batch, here to the full length; what is trained on "
    "is the same.",
)


def sft(facts: Facts, stage: SftStage, preset: Preset) -> Recipe:
    """Return the recipe of one stage of fine-tuning.

    ``paper`` and ``released-checkpoint`` do as the scripts: one dialogue to a sequence, padded, cut at the
    length. ``practical`` packs whole dialogues into sequences of 4,096, about as many to a step.
    """
    known = STAGES[stage]
    practical = preset == "practical"
    batch = (
        BatchPhase(sequences=known.packed, seq_len=PACKED_LEN)
        if practical
        else BatchPhase(sequences=known.batch, seq_len=known.length)
    )
    schedule = EpochSchedule(epochs=known.epochs, warmup_steps=WARMUP_STEPS, peak=known.peak)
    step = facts.released_step.value if preset == "released-checkpoint" and stage == 1 else None
    start = f"{facts.name}-anneal" if stage == 1 else f"{facts.name}-sft1"
    return Recipe(
        name=f"{facts.name}-sft{stage}",
        preset=preset,
        stage="sft",
        about=f"Fine-tuning of {facts.title}, stage {stage}.",
        shape=facts.shape,
        batches=(batch,),
        schedule=schedule,
        optimizer=OPTIMIZER,
        data=DataPlan(
            form="packed" if practical else "padded",
            template="template" if practical else "paper",
            dialogues=known.dialogues,
        ),
        start=StartPlan(recipe=start, step=step),
        checkpoints=CheckpointPlan(every=SAVE_STEPS, unit="steps"),
        compute=Compute(activation_checkpoint="selective" if practical else "full"),
        figures=_figures(facts, known, preset, start if step is None else f"{start}, step {step:,}"),
        conflicts=CONFLICTS,
    )


def _figures(facts: Facts, known: StageFacts, preset: Preset, start: str) -> dict[str, AnyFigure]:
    script, trainer = known.script, HF_DEFAULTS
    found: dict[str, AnyFigure] = {
        **shape_figures(facts.shape),
        "epochs": Figure(known.epochs, "", script),
        "peak learning rate": Figure(known.peak, "", script),
        "schedule": Figure("cosine", "", script, "to 0"),
        "warm-up": Figure(WARMUP_STEPS, "steps", script, "a tenth of the run where that is less"),
        "dialogues": Figure(known.dialogues, "dialogues", SFT_DATA, "published; a run counts its own"),
        "batch": Figure(known.batch, "dialogues", script),
        "length": Figure(known.length, "tokens", script, "longer ones are cut, not dropped"),
        "activation checkpoints": Figure("full", "", script),
        "form": Figure("padded", "", SFT_TOOL, "one dialogue to a sequence"),
        "chat form": Figure("paper", "", SFT_TOOL, "a line break before the end token"),
        "starts from": Figure(start, "", CHOICE),
        "checkpoint every": Figure(SAVE_STEPS, "steps", script),
    }
    if preset == "practical":
        found |= {
            "batch": Figure(
                known.packed,
                "sequences",
                CHOICE,
                f"about the script's {known.batch:,} dialogues of 512 tokens",
            ),
            "length": Figure(PACKED_LEN, "tokens", CHOICE, "whole dialogues, packed"),
            "activation checkpoints": Figure("selective", "", CHOICE, "faster, and memory suffices"),
            "form": Figure("packed", "", CHOICE, "no time is spent on padding"),
            "chat form": Figure(
                "template", "", CHOICE, "what the released template, and so any server, writes"
            ),
        }
    return found | optimizer_figures(
        OPTIMIZER,
        {
            "AdamW beta 1": Figure(OPTIMIZER.beta1, "", trainer),
            "AdamW beta 2": Figure(OPTIMIZER.beta2, "", trainer),
            "weight decay": Figure(OPTIMIZER.weight_decay, "", trainer),
            "gradient norm": Figure(OPTIMIZER.max_norm, "", trainer),
        },
    )
