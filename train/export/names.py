"""Parameters by name: torchtitan's Llama and ``transformers``' Llama.

Facts of torchtitan 0.3.0 (``models/llama3/state_dict_adapter.py``). Two things differ besides the names.
Rotary positions turn elements ``2i`` and ``2i + 1`` of a head in torchtitan and ``i`` and ``i + D/2`` in
``transformers``, so the rows of the query and key matrices are in another order. A tied output layer is a
tensor of its own name in torchtitan, and absent in Hugging Face files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from train.shape import Shape

if TYPE_CHECKING:
    from torch import Tensor

_OUTER = {
    "tok_embeddings.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "lm_head.weight": "lm_head.weight",
}
_INNER = {
    "attention_norm": "input_layernorm",
    "attention.qkv_linear.wq": "self_attn.q_proj",
    "attention.qkv_linear.wk": "self_attn.k_proj",
    "attention.qkv_linear.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
}
_LAYER = re.compile(r"layers\.(\d+)\.(.+)\.weight")


def titan_sizes(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield torchtitan's name and the size of every parameter, from the input to the output.

    A tied output layer is left out.
    """
    hidden, ffn = shape.hidden, shape.ffn
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    sizes: dict[str, tuple[int, ...]] = {
        "attention_norm": (hidden,),
        "attention.qkv_linear.wq": (queries, hidden),
        "attention.qkv_linear.wk": (keys, hidden),
        "attention.qkv_linear.wv": (keys, hidden),
        "attention.wo": (hidden, queries),
        "ffn_norm": (hidden,),
        "feed_forward.w1": (ffn, hidden),
        "feed_forward.w3": (ffn, hidden),
        "feed_forward.w2": (hidden, ffn),
    }
    yield "tok_embeddings.weight", (shape.vocab, hidden)
    for layer in range(shape.layers):
        for name, size in sizes.items():
            yield f"layers.{layer}.{name}.weight", size
    yield "norm.weight", (hidden,)
    if not shape.tied:
        yield "lm_head.weight", (shape.vocab, hidden)


def hf_name(titan: str) -> str:
    """Return the Hugging Face name of a parameter.

    Raises:
        KeyError: torchtitan's Llama has no parameter of this name.
    """
    if match := _LAYER.fullmatch(titan):
        return f"model.layers.{match[1]}.{_INNER[match[2]]}.weight"
    return _OUTER[titan]


def to_hf(titan: str, tensor: Tensor, shape: Shape) -> Tensor:
    """Return the values of a parameter in Hugging Face's order.

    Args:
        titan: torchtitan's name of it.
        tensor: Its values; any number format.
        shape: Gives the width of the heads.
    """
    if not _rotated(titan):
        return tensor
    return tensor.reshape(-1, shape.head_dim // 2, 2, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)


def to_titan(titan: str, tensor: Tensor, shape: Shape) -> Tensor:
    """Return the values of a parameter in torchtitan's order: the inverse of :func:`to_hf`."""
    if not _rotated(titan):
        return tensor
    return tensor.reshape(-1, 2, shape.head_dim // 2, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)


def _rotated(titan: str) -> bool:
    return titan.endswith((".wq.weight", ".wk.weight"))
