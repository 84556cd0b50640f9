"""Tiny models of every form, and the ``transformers`` models of the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("transformers", reason="needs the extra `train`")

import torch

from train.model.llama import Llama
from train.shape import Shape

# Several workers share the cores; threads of one would only wait for those of another.
torch.set_num_threads(1)

SHAPES = {
    # Width of the heads apart from hidden / heads, as in nothing but configs that say so.
    "grouped": Shape(
        layers=3, hidden=48, ffn=80, heads=6, kv_heads=2, head_dim=20, vocab=160, max_positions=128,
        rope_theta=10000.0,
    ),
    "plain": Shape(
        layers=2, hidden=64, ffn=96, heads=4, kv_heads=4, head_dim=16, vocab=130, max_positions=128,
        rope_theta=500000.0, norm_eps=1e-6,
    ),
    "tied": Shape(
        layers=2, hidden=32, ffn=64, heads=2, kv_heads=1, head_dim=16, vocab=200, max_positions=128,
        rope_theta=10000.0, tied=True,
    ),
}  # fmt: skip


@pytest.fixture(params=list(SHAPES))
def shape(request: pytest.FixtureRequest) -> Shape:
    return SHAPES[request.param]


@pytest.fixture
def make_model() -> Callable[[Shape, int], Llama]:
    """Makes a model of random weights that are large enough for every part of it to matter."""

    def make(shape: Shape, seed: int = 0) -> Llama:
        torch.manual_seed(seed)
        model = Llama(shape)
        model.initialise(torch.Generator().manual_seed(seed))
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(4.0) if weight.dim() > 1 else weight.add_(0.3 * torch.randn_like(weight))
        return model.eval()

    return make


@pytest.fixture
def to_transformers() -> Callable[[Llama], Any]:
    """Makes the ``transformers`` model of the same weights."""

    def convert(model: Llama) -> Any:
        from transformers import LlamaConfig, LlamaForCausalLM

        other = LlamaForCausalLM(LlamaConfig(**model.shape.hf_config()))
        missing = other.load_state_dict(model.state_dict(), strict=False)
        allowed = {"lm_head.weight"} if model.shape.tied else set()
        assert set(missing.missing_keys) <= allowed
        assert not missing.unexpected_keys
        other.tie_weights()
        return other.eval()

    return convert
