"""A model of 4.2M parameters that a CPU trains in a minute or two: every stage, small enough to try."""

from __future__ import annotations

from train.recipe import (
    BatchPhase,
    CheckpointPlan,
    DataPlan,
    EpochSchedule,
    Figure,
    Preset,
    Recipe,
    StartPlan,
    TokenSchedule,
)
from train.recipes.figures import AnyFigure, shape_figures
from train.recipes.origins import CHOICE
from train.recipes.sft import SftStage
from train.shape import Shape
from train.spec import Compute, Optimizer

SHAPE = Shape(
    layers=4,
    hidden=256,
    ffn=768,
    heads=4,
    kv_heads=2,
    head_dim=64,
    vocab=2048,
    max_positions=512,
    rope_theta=10000.0,
)
BATCH = BatchPhase(sequences=8, seq_len=256)
COMPUTE = Compute(
    device="cpu",
    compute_dtype="float32",
    activation_checkpoint="none",
    compile=False,
    chunked_loss=False,
)
OPTIMIZER = Optimizer()
PEAK, FLOOR = 1e-3, 1e-3 / 30
STEPS, WARMUP_STEPS, ANNEAL_STEPS, KEEP_STEPS = 120, 10, 40, 40
SFT_PEAK: dict[SftStage, float] = {1: 5e-4, 2: 1e-3}
SFT_EPOCHS: dict[SftStage, int] = {1: 1, 2: 3}


def tiny(preset: Preset) -> Recipe:
    """Return the pretraining of the tiny model: 120 steps of 2,048 tokens."""
    total = STEPS * BATCH.tokens
    warmup = WARMUP_STEPS * BATCH.tokens
    return Recipe(
        name="tiny",
        preset=preset,
        stage="pretrain",
        about="Pretraining of a model of 4.2M parameters, on a CPU.",
        shape=SHAPE,
        batches=(BATCH,),
        schedule=TokenSchedule(total=total, peak=PEAK, floor=FLOOR, warmup=warmup, stable=total - warmup),
        optimizer=OPTIMIZER,
        data=DataPlan(document_mask=preset == "practical"),
        checkpoints=CheckpointPlan(every=KEEP_STEPS * BATCH.tokens, keep=KEEP_STEPS * BATCH.tokens),
        compute=COMPUTE,
        figures=_figures({"tokens": total, "warm-up tokens": warmup}),
    )


def tiny_anneal(preset: Preset) -> Recipe:
    """Return the annealing of the tiny model: 40 steps down to a thirtieth of the peak."""
    total = ANNEAL_STEPS * BATCH.tokens
    return Recipe(
        name="tiny-anneal",
        preset=preset,
        stage="anneal",
        about="Annealing of the tiny model: exponential decay.",
        shape=SHAPE,
        batches=(BATCH,),
        schedule=TokenSchedule(total=total, peak=PEAK, floor=FLOOR, decay=total),
        optimizer=OPTIMIZER,
        data=DataPlan(document_mask=preset == "practical"),
        start=StartPlan(recipe="tiny", optimizer=True),
        checkpoints=CheckpointPlan(every=KEEP_STEPS * BATCH.tokens),
        compute=COMPUTE,
        figures=_figures({"tokens": total, "decay tokens": total, "final learning rate": FLOOR}),
    )


def tiny_sft(stage: SftStage, preset: Preset) -> Recipe:
    """Return a stage of fine-tuning of the tiny model: one epoch, then three."""
    practical = preset == "practical"
    epochs, peak = SFT_EPOCHS[stage], SFT_PEAK[stage]
    return Recipe(
        name=f"tiny-sft{stage}",
        preset=preset,
        stage="sft",
        about=f"Fine-tuning of the tiny model, stage {stage}.",
        shape=SHAPE,
        batches=(BATCH,),
        schedule=EpochSchedule(epochs=epochs, warmup_steps=5, peak=peak),
        optimizer=OPTIMIZER,
        data=DataPlan(
            form="packed" if practical else "padded",
            template="template" if practical else "paper",
            dialogues=400,
            dialogue_tokens=128,
        ),
        start=StartPlan(recipe="tiny-anneal" if stage == 1 else "tiny-sft1"),
        checkpoints=CheckpointPlan(every=50, unit="steps"),
        compute=COMPUTE,
        figures=_figures({"epochs": epochs, "peak learning rate": peak}),
    )


def _figures(more: dict[str, int | float]) -> dict[str, AnyFigure]:
    """Return figures that are all of our choosing."""
    found: dict[str, AnyFigure] = {
        **shape_figures(SHAPE, CHOICE),
        "batch": Figure(BATCH.sequences, "sequences", CHOICE),
        "sequence": Figure(BATCH.seq_len, "tokens", CHOICE),
        "peak learning rate": Figure(PEAK, "", CHOICE),
    }
    for name, value in more.items():
        found[name] = Figure(value, "tokens" if "tokens" in name else "", CHOICE)
    return found
