"""From a :class:`train.shape.Shape` to torchtitan's model specification."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn
from torchtitan.models.common import ComplexRoPE, Embedding, Linear, RMSNorm
from torchtitan.models.llama3 import (
    Llama3Model,
    _build_llama3_layers,
    parallelize_llama,
)
from torchtitan.models.llama3.state_dict_adapter import Llama3StateDictAdapter
from torchtitan.protocols.model_spec import ModelSpec

from opencoder.errors import UserError
from train.shape import Shape
from train.titan.attention import CpuLlama, DenseAttention
from train.titan.compat import sum_gradients

EMBEDDING_STD = 1.0
"""Of the initial embedding, as in torchtitan's Llamas; the paper names none. With the usual 0.02 the norms
amplify the gradient of the first steps tenfold, and the tiny model learns more slowly."""


def model_spec(shape: Shape, *, name: str, device: str) -> ModelSpec:
    """Return the specification that torchtitan's trainer builds, shards and initialises.

    Args:
        shape: Sizes of the model.
        name: Shown in logs.
        device: ``cpu`` takes attention and reductions that CPUs can do.
    """
    return ModelSpec(
        name="opencoder",
        flavor=name,
        model=model_config(shape, device=device),
        parallelize_fn=_parallelize_cpu if device == "cpu" else parallelize_llama,
        pipelining_fn=None,
        post_optimizer_build_fn=None,
        state_dict_adapter=Llama3StateDictAdapter,
    )


def model_config(shape: Shape, *, device: str) -> Llama3Model.Config:
    """Return the configuration of torchtitan's Llama for a shape.

    Rotary positions are not scaled: torchtitan's own Llama flavours scale them, OpenCoder does not.

    Raises:
        UserError: The heads have a width that torchtitan's builder of layers cannot be told.
    """
    if shape.head_dim * shape.heads != shape.hidden:
        raise UserError(
            f"shape: torchtitan derives head_dim from hidden / heads, {shape.head_dim} is another"
        )
    kind = CpuLlama.Config if device == "cpu" else Llama3Model.Config
    config = kind(
        dim=shape.hidden,
        vocab_size=shape.vocab,
        enable_weight_tying=shape.tied,
        tok_embeddings=Embedding.Config(
            num_embeddings=shape.vocab, embedding_dim=shape.hidden, param_init=_normal(EMBEDDING_STD)
        ),
        norm=_norm(shape),
        lm_head=Linear.Config(
            in_features=shape.hidden, out_features=shape.vocab, param_init=_truncated(shape.hidden**-0.5)
        ),
        layers=_build_llama3_layers(
            n_layers=shape.layers,
            dim=shape.hidden,
            n_heads=shape.heads,
            n_kv_heads=shape.kv_heads,
            hidden_dim=shape.ffn,
            rope=ComplexRoPE.Config(
                dim=shape.head_dim, max_seq_len=shape.max_positions, theta=shape.rope_theta, scaling="none"
            ),
            fuse_qkv=True,
            attn_backend="flex",
        ),
    )
    for layer in config.layers:
        layer.attention_norm, layer.ffn_norm = _norm(shape), _norm(shape)
        if device == "cpu":
            layer.attention.inner_attention = DenseAttention.Config()
    return config


def _norm(shape: Shape) -> RMSNorm.Config:
    return RMSNorm.Config(
        normalized_shape=shape.hidden, eps=shape.norm_eps, param_init={"weight": nn.init.ones_}
    )


def _normal(std: float) -> dict[str, Any]:
    return {"weight": partial(nn.init.normal_, std=std)}


def _truncated(std: float) -> dict[str, Any]:
    return {"weight": partial(nn.init.trunc_normal_, std=std, a=-3 * std, b=3 * std)}


def _parallelize_cpu(model: Any, **options: Any) -> nn.Module:
    if _alone(**options):
        # FSDP of one rank has nothing to share, and costs a CPU a thirtieth of the step in copies.
        alone: nn.Module = model
        return alone
    parallel: nn.Module = parallelize_llama(model, **options)
    sum_gradients(parallel)
    return parallel


def _alone(*, parallel_dims: Any, training: Any, ac_config: Any, compile_config: Any, **_: Any) -> bool:
    """Tell whether a rank has nobody to share with, and nothing else of the model is to be changed."""
    one_format = training.mixed_precision_param == training.dtype
    return parallel_dims.world_size == 1 and one_format and ac_config is None and not compile_config.enable
