"""The model of speed against published runs."""

from __future__ import annotations

import pytest

from train.plan.anchors import ANCHORS, LLAMA_8B, PAPER_RUNS, Anchor
from train.plan.gpus import GPUS
from train.plan.speed import token_flops, tokens_per_second
from train.recipes.opencoder_1_5b import SHAPE as SHAPE_1_5B
from train.spec import Batch, Compute, Parallel


@pytest.mark.parametrize("anchor", ANCHORS, ids=[anchor.title for anchor in ANCHORS])
def test_published_runs_within_three_hundredths(anchor: Anchor) -> None:
    assert anchor.expected[0] == pytest.approx(anchor.tokens_s, rel=0.03)


def test_published_mfu() -> None:
    """The publishers name 33 % plain and 39 % compiled on 8 GPUs, at full attention and 989 TFLOP/s."""
    plain, compiled = ANCHORS[0], ANCHORS[1]
    for anchor, mfu in ((plain, 0.33), (compiled, 0.39)):
        flops = LLAMA_8B.flops_per_token(8192) * anchor.expected[0]
        assert flops / 989e12 == pytest.approx(mfu, abs=0.01)


def test_hardware_work_is_model_work_plus_what_is_done_again() -> None:
    none = token_flops(SHAPE_1_5B, 4096, Compute(activation_checkpoint="none"))
    assert none[0] == 6 * SHAPE_1_5B.matmul_params
    causal = SHAPE_1_5B.flops_per_token(4096, causal=True) - none[0]
    # Three and a half forward passes in place of three: attention's backward pass computes its scores again.
    assert none[1] == pytest.approx(causal * 3.5 / 3)
    full = token_flops(SHAPE_1_5B, 4096, Compute(activation_checkpoint="full"))
    blocks = SHAPE_1_5B.matmul_params - SHAPE_1_5B.embedding_params
    assert full[0] - none[0] == 2 * blocks
    selective = token_flops(SHAPE_1_5B, 4096, Compute())
    assert none < selective < full


def test_small_micro_batches_over_slow_links_wait_for_them() -> None:
    batch = Batch(sequences=512, seq_len=512, micro=1)
    near, far = (
        tokens_per_second(SHAPE_1_5B, batch, layout, Compute(), GPUS["h800"])
        for layout in (Parallel(replicate=1, shard=8), Parallel(replicate=64, shard=8))
    )
    assert far < 0.8 * near
    h100 = tokens_per_second(SHAPE_1_5B, batch, Parallel(shard=8), Compute(), GPUS["h100"])
    assert near < h100


def test_tensor_parallelism_costs_time() -> None:
    batch = Batch(sequences=64, seq_len=8192, micro=1)
    one, two = (
        tokens_per_second(LLAMA_8B, batch, layout, Compute(), GPUS["h100"])
        for layout in (Parallel(shard=8), Parallel(shard=4, tensor=2))
    )
    assert 0.7 * one < two < one


def test_the_papers_runs() -> None:
    small, large = PAPER_RUNS["opencoder-1.5b"], PAPER_RUNS["opencoder-8b"]
    assert (round(small.mfu(), 2), round(large.mfu(), 2)) == (0.27, 0.42)
    assert small.tokens_s == pytest.approx(21_100, rel=0.01)
    assert large.tokens_s == pytest.approx(7_600, rel=0.01)
