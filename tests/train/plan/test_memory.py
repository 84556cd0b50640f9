"""The model of memory against its derivation, against PyTorch's autograd, and against published runs."""

from __future__ import annotations

import msgspec
import pytest

from train.plan.anchors import ANCHORS, Anchor
from train.plan.memory import GIB, block_bytes, memory
from train.recipes.opencoder_1_5b import SHAPE as SHAPE_1_5B
from train.recipes.opencoder_8b import SHAPE as SHAPE_8B
from train.shape import Shape
from train.spec import Batch, Compute, Parallel

SMALL = Shape(
    layers=1, hidden=256, ffn=768, heads=4, kv_heads=2, head_dim=64, vocab=512,
    max_positions=256, rope_theta=1e4,
)  # fmt: skip


@pytest.mark.parametrize("anchor", ANCHORS, ids=[anchor.title for anchor in ANCHORS])
def test_published_runs_within_a_tenth(anchor: Anchor) -> None:
    assert anchor.expected[1] == pytest.approx(anchor.memory_gib, rel=0.10)


def test_states_of_the_models() -> None:
    batch = Batch(sequences=1, seq_len=4096, micro=1)
    for shape, ranks, gib in (
        (SHAPE_1_5B, 1, 28.4),
        (SHAPE_8B, 1, 115.8),
        (SHAPE_8B, 8, 14.5),
        (SHAPE_8B, 256, 0.45),
    ):
        found = memory(shape, batch, Parallel(shard=ranks), Compute())
        states = (found.parameters + found.gradients + found.optimizer) / GIB
        assert states == pytest.approx(gib, abs=0.05)
    small = memory(SHAPE_8B, batch, Parallel(), Compute(param_dtype="bfloat16"))
    assert (small.parameters + small.gradients + small.optimizer) / GIB == pytest.approx(57.9, abs=0.05)


def test_whole_logits_of_one_long_sequence() -> None:
    """One fp32 copy is 2.95 GiB; the bf16 logits and three fp32 copies are three and a half of that."""
    batch = Batch(sequences=1, seq_len=8192, micro=1)
    found = [
        memory(SHAPE_8B, batch, Parallel(shard=8), Compute(), logits=kind).loss / GIB
        for kind in ("whole", "fused", "chunked")
    ]
    head = 8 * SHAPE_8B.embedding_params / GIB
    assert found[0] - head == pytest.approx(3.5 * 2.95, rel=0.01)
    assert found[1] - head == pytest.approx(2.95, rel=0.01)
    assert found[2] < found[1] / 2 + head


def test_parts_add_up_and_grow_with_the_tokens() -> None:
    totals = []
    for micro in (1, 2, 4):
        batch = Batch(sequences=8, seq_len=4096, micro=micro)
        found = memory(SHAPE_1_5B, batch, Parallel(shard=8), Compute())
        parts = found.gib()
        assert parts.pop("total") == pytest.approx(sum(parts.values()), abs=0.05)
        totals.append(found.total)
    assert totals == sorted(totals)


def test_checkpoints_order_what_is_kept() -> None:
    kinds = (
        Compute(activation_checkpoint="full"),
        Compute(activation_checkpoint="selective"),
        Compute(activation_checkpoint="none"),
        Compute(activation_checkpoint="none", compile=False),
    )
    assert [block_bytes(SHAPE_8B, kind) for kind in kinds] == [8192, 65_536, 131_072, 167_936]


def test_sharing_a_matrix_shares_all_but_the_reserve() -> None:
    batch = Batch(sequences=8, seq_len=4096, micro=1)
    whole = memory(SHAPE_8B, batch, Parallel(shard=4), Compute())
    half = memory(SHAPE_8B, batch, Parallel(shard=4, tensor=2), Compute())
    assert half.total == pytest.approx(whole.total / 2)


def test_a_block_keeps_what_autograd_keeps() -> None:
    """A real block in fp32, norms without weights: their CPU form stores another copy for those."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    generator = torch.Generator().manual_seed(0)
    h, f, tokens = SMALL.hidden, SMALL.ffn, 128
    q, k = SMALL.heads * SMALL.head_dim, SMALL.kv_heads * SMALL.head_dim
    weights = [
        torch.randn(rows, columns, generator=generator).requires_grad_()
        for rows, columns in ((q, h), (k, h), (k, h), (h, q), (f, h), (f, h), (h, f))
    ]
    wq, wk, wv, wo, gate, up, down = weights
    own = {weight.untyped_storage().data_ptr() for weight in weights}
    kept: dict[int, object] = {}

    def pack(tensor: object) -> object:
        storage = tensor.untyped_storage()  # type: ignore[attr-defined]
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = tensor
        return tensor

    x = torch.randn(1, tokens, h, generator=generator).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = functional.rms_norm(x, (h,))
        heads = [
            functional.linear(y, weight).view(1, tokens, -1, SMALL.head_dim).transpose(1, 2)
            for weight in (wq, wk, wv)
        ]
        a = functional.scaled_dot_product_attention(*heads, is_causal=True, enable_gqa=True)
        x = x + functional.linear(a.transpose(1, 2).reshape(1, tokens, q), wo)
        y = functional.rms_norm(x, (h,))
        inner = functional.silu(functional.linear(y, gate)) * functional.linear(y, up)
        x = x + functional.linear(inner, down)
    found = sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / tokens  # type: ignore[attr-defined]
    compute = Compute(compute_dtype="float32", compile=False, activation_checkpoint="none")
    # The rest: a scale for each norm, a log-sum-exp for each head.
    assert found == pytest.approx(block_bytes(SMALL, compute), rel=0.01)
    assert msgspec.structs.replace(SMALL, layers=2).params > SMALL.params
