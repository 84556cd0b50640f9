"""The figures of one model's training, each with its source, and what all OpenCoder models share."""

from __future__ import annotations

from dataclasses import dataclass, field

from train.recipe import Figure
from train.recipes.origins import CHOICE, PAPER, PAPER_TABLE_3
from train.shape import Shape


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of one model's training.

    Attributes:
        name: Of the pretraining recipe.
        title: Of the model.
        shape: The model.
        sequences: Sequences of a step, in the last phase.
        seq_len: Tokens of one, in the last phase.
        early: Sequences, tokens of one and last step of an earlier phase, where there was one.
        tokens_per_step: The same in all phases.
        paper_tokens: Tokens of pretraining by the paper.
        trained_steps: Last published checkpoint of pretraining.
        anneal_from: Step of pretraining that the released model was annealed from.
        anneal_steps: Last published checkpoint of annealing.
        released_step: Step of annealing that was released.
        gpu_hours: Of the whole pretraining.
        gpus: What they were spent on.
        mfu: What follows from them.
        conflicts: Where the sources do not agree.
    """

    name: str
    title: str
    shape: Shape
    sequences: Figure[int]
    seq_len: Figure[int]
    early: tuple[Figure[int], Figure[int], Figure[int]] | None = None
    tokens_per_step: Figure[int]
    paper_tokens: Figure[int]
    trained_steps: Figure[int]
    anneal_from: Figure[int]
    anneal_steps: Figure[int]
    released_step: Figure[int]
    gpu_hours: Figure[int]
    gpus: Figure[str]
    mfu: Figure[float]
    warmup_note: str = ""
    conflicts: tuple[str, ...] = field(default=())


PEAK = Figure(3e-4, "", PAPER)
FLOOR = Figure(1e-5, "", PAPER, "reached at the end of annealing")
WARMUP_STEPS = Figure(2000, "steps", PAPER, "also given as 8B tokens")
PAPER_ANNEAL_TOKENS = Figure(100_000_000_000, "tokens", PAPER)
DECAY = Figure("exponential", "", PAPER, "only while annealing; pretraining ends at the peak")
SCHEDULE = Figure("WSD", "", PAPER)
MIXTURE = {
    "original": Figure(83.94, "B tokens", PAPER_TABLE_3, "the distribution of pretraining"),
    "algorithmic": Figure(12.44, "B tokens", PAPER_TABLE_3),
    "snippets": Figure(2.71, "B tokens", PAPER_TABLE_3, "synthetic, verified by tests"),
    "textbooks": Figure(0.91, "B tokens", PAPER_TABLE_3, "synthetic"),
}
BETA1 = Figure(0.9, "", CHOICE, "no source names AdamW's betas; usual for models of this size (Llama 3)")
BETA2 = Figure(0.95, "", CHOICE, "as for beta 1")
WEIGHT_DECAY = Figure(0.1, "", CHOICE, "no source names it; usual for models of this size (Llama 3)")
MAX_NORM = Figure(1.0, "", CHOICE, "no source names it; the default of Megatron-LM, which the authors used")
FIM_RATE = Figure(0.0, "", CHOICE, "no source mentions fill-in-the-middle; raise it with --fim-rate")
NO_MASK = Figure("off", "", CHOICE, "no source mentions it; off is the default of Megatron-LM")
MASK = Figure("on", "", CHOICE, "a document does not look into the one before it in its sequence")
KEEP_STEPS = Figure(1000, "steps", CHOICE, "the published branches are 1,000 steps apart")
