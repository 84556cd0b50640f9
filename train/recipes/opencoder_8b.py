"""OpenCoder-8B."""

from __future__ import annotations

from train.recipe import Figure
from train.recipes.facts import Facts
from train.recipes.origins import CARD_8B, COMPUTED, PAPER
from train.shape import Shape

SHAPE = Shape(
    layers=32,
    hidden=4096,
    ffn=14336,
    heads=32,
    kv_heads=8,
    head_dim=128,
    vocab=96640,
    max_positions=8192,
    rope_theta=500000.0,
)

FACTS = Facts(
    name="opencoder-8b",
    title="OpenCoder-8B",
    shape=SHAPE,
    sequences=Figure(1024, "sequences", CARD_8B),
    seq_len=Figure(8192, "tokens", CARD_8B),
    early=(
        Figure(2048, "sequences", CARD_8B),
        Figure(4096, "tokens", CARD_8B),
        Figure(130_000, "steps", CARD_8B),
    ),
    tokens_per_step=Figure(8_388_608, "tokens", CARD_8B),
    paper_tokens=Figure(2_500_000_000_000, "tokens", PAPER, "three and a half epochs"),
    trained_steps=Figure(300_000, "steps", CARD_8B, "2.517T tokens"),
    anneal_from=Figure(300_000, "step", CARD_8B, "2.517T tokens"),
    anneal_steps=Figure(11_920, "steps", CARD_8B, "100.0B tokens"),
    released_step=Figure(10_000, "step", CARD_8B, "83.9B tokens"),
    gpu_hours=Figure(96_000, "GPU-hours", PAPER),
    gpus=Figure("512 H100", "", PAPER, "tensor parallel 2, micro-batch 1"),
    mfu=Figure(
        0.42,
        "",
        COMPUTED,
        "2.617T tokens over both sequence lengths, full-attention count; 0.378 by the causal count",
    ),
    warmup_note="2,000 steps; the paper's 8B tokens would be 954 steps of this batch",
    conflicts=(
        "Warm-up: '2,000 steps over 8B tokens' holds for the batch of the 1.5B only (8.4B tokens). With this "
        "batch 2,000 steps are 16.8B tokens. All presets take 2,000 steps.",
        "Batch: '1,024 x 8,192' is the second phase only; up to step 130,000 it is 2,048 x 4,096, as many "
        "tokens. The card gives steps 1,000 to 130,000 for both phases, which can only be a slip.",
        "The released model is step 10,000 of annealing, not the last step 11,920. If the decay spans all of "
        "annealing, its learning rate (1.73e-5) is above the floor of 1e-5. `released-checkpoint` stops "
        "there.",
    ),
)
