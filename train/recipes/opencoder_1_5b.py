"""OpenCoder-1.5B."""

from __future__ import annotations

from train.recipe import Figure
from train.recipes.facts import Facts
from train.recipes.origins import CARD_1_5B, COMPUTED, PAPER
from train.shape import Shape

SHAPE = Shape(
    layers=24,
    hidden=2240,
    ffn=6144,
    heads=14,
    kv_heads=14,
    head_dim=160,
    vocab=96640,
    max_positions=4096,
    rope_theta=10000.0,
)

FACTS = Facts(
    name="opencoder-1.5b",
    title="OpenCoder-1.5B",
    shape=SHAPE,
    sequences=Figure(1024, "sequences", CARD_1_5B),
    seq_len=Figure(4096, "tokens", CARD_1_5B),
    tokens_per_step=Figure(4_194_304, "tokens", CARD_1_5B),
    paper_tokens=Figure(2_000_000_000_000, "tokens", PAPER, "four epochs"),
    trained_steps=Figure(484_865, "steps", CARD_1_5B, "2.034T tokens"),
    anneal_from=Figure(373_000, "step", CARD_1_5B, "1.564T tokens"),
    anneal_steps=Figure(23_841, "steps", CARD_1_5B, "100.0B tokens"),
    released_step=Figure(23_000, "step", CARD_1_5B, "96.5B tokens"),
    gpu_hours=Figure(28_034, "GPU-hours", PAPER),
    gpus=Figure("256 H800", "", PAPER),
    mfu=Figure(0.27, "", COMPUTED, "2.13T tokens, full-attention count; 0.245 by the causal count"),
    conflicts=(
        "Tokens: the paper says 2T, the published checkpoints reach 2.034T (step 484,865), and the released "
        "model left the stable phase at 1.564T (step 373,000), so 1.66T tokens lie on its path. `paper` "
        "trains 2T, the other presets 1.564T.",
        "The released model is step 23,000 of annealing, not the last step 23,841. If the decay spans all of "
        "annealing, its learning rate (1.13e-5) is above the floor of 1e-5. `released-checkpoint` stops "
        "there.",
        "'1.5B' counts 1.47B parameters outside the embeddings; with both embeddings there are 1.91B.",
    ),
)
