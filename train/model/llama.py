"""A Llama decoder in plain PyTorch, with the parameter names of ``transformers``' ``LlamaForCausalLM``.

Numbers formats follow torchtitan: norms and rotary positions are computed in float32, everything else in the
format of the parameters, or of ``torch.autocast``. Shapes in comments: B sequences, L tokens, H heads, D head
width, C hidden width.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.shape import Shape

Rotary = Literal["half", "interleaved"]
"""Which two elements of a head turn together: ``i`` and ``i + D/2`` (Hugging Face), or ``2i`` and ``2i + 1``
(torchtitan, Meta)."""
Turns: TypeAlias = tuple[Tensor, Tensor]
"""Cosine and sine, each ``(B or 1, L, 1, D/2)`` in float32."""


class Norm(nn.Module):
    """RMSNorm, computed in float32."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Scale each row to a root mean square of 1, then by the weight."""
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (scaled * self.weight.float()).to(x.dtype)


class Cache:
    """Keys and values of the tokens that one attention layer has seen."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add those of new tokens, ``(B, H, L, D)``, and return all."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat([self.keys, keys], dim=2), torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values


class Attention(nn.Module):
    """Causal self-attention with grouped queries."""

    def __init__(self, shape: Shape, rotary: Rotary) -> None:
        super().__init__()
        self.head_dim = shape.head_dim
        self.grouped = shape.heads != shape.kv_heads
        self.rotary: Rotary = rotary
        self.q_proj = nn.Linear(shape.hidden, shape.heads * shape.head_dim, bias=False)
        self.k_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head_dim, bias=False)
        self.v_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head_dim, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head_dim, shape.hidden, bias=False)

    def forward(self, x: Tensor, turns: Turns, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """Mix ``x`` (B, L, C) over the tokens that each may see."""
        heads = (*x.shape[:2], -1, self.head_dim)
        q = rotate(self.q_proj(x).view(heads), turns, self.rotary).transpose(1, 2)
        k = rotate(self.k_proj(x).view(heads), turns, self.rotary).transpose(1, 2)
        v = self.v_proj(x).view(heads).transpose(1, 2)
        causal = mask is None
        if cache is not None:
            # One new token sees everything before it; a prompt (several tokens) comes first, onto nothing.
            causal = causal and q.shape[2] > 1
            k, v = cache.extend(k, v)
        mixed = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=self.grouped
        )
        joined: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(*x.shape[:2], -1))
        return joined


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.ffn, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.ffn, bias=False)
        self.down_proj = nn.Linear(shape.ffn, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``down(silu(gate(x)) * up(x))``."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):
    """One layer: attention and feed-forward, each behind a norm and beside the residual stream."""

    def __init__(self, shape: Shape, rotary: Rotary = "half") -> None:
        super().__init__()
        self.self_attn = Attention(shape, rotary)
        self.mlp = FeedForward(shape)
        self.input_layernorm = Norm(shape.hidden, shape.norm_eps)
        self.post_attention_layernorm = Norm(shape.hidden, shape.norm_eps)

    def forward(self, x: Tensor, turns: Turns, mask: Tensor | None, cache: Cache | None = None) -> Tensor:
        """Return the residual stream after this layer."""
        x = x + self.self_attn(self.input_layernorm(x), turns, mask, cache)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Decoder(nn.Module):
    """Embedding, layers, last norm."""

    def __init__(self, shape: Shape, rotary: Rotary) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Block(shape, rotary) for _ in range(shape.layers))
        self.norm = Norm(shape.hidden, shape.norm_eps)

    def forward(self, tokens: Tensor, positions: Tensor | None, caches: list[Cache] | None) -> Tensor:
        """See :meth:`Llama.forward`."""
        x: Tensor = self.embed_tokens(tokens)
        if torch.is_autocast_enabled(x.device.type):
            # Autocast leaves look-ups alone; the residual stream would stay in float32.
            x = x.to(torch.get_autocast_dtype(x.device.type))
        mask = None if positions is None or caches is not None else document_mask(positions)
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
        turns = rotary_turns(self.shape, positions)
        for index, layer in enumerate(self.layers):
            x = layer(x, turns, mask, None if caches is None else caches[index])
        out: Tensor = self.norm(x)
        return out


class Llama(nn.Module):
    """The whole model. Its state dict has the names that Hugging Face folders use.

    Args:
        shape: Sizes.
        rotary: Pairing of the rotary positions; ``interleaved`` takes torchtitan's weights as they are.
    """

    def __init__(self, shape: Shape, rotary: Rotary = "half") -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape, rotary)
        if not shape.tied:
            self.lm_head = nn.Linear(shape.hidden, shape.vocab, bias=False)

    @property
    def head_weight(self) -> Tensor:
        """The output layer, ``(vocab, C)``."""
        weight: Tensor = self.model.embed_tokens.weight if self.shape.tied else self.lm_head.weight
        return weight

    def forward(
        self, tokens: Tensor, positions: Tensor | None = None, caches: list[Cache] | None = None
    ) -> Tensor:
        """Return the hidden states after the last norm, ``(B, L, C)``.

        Args:
            tokens: ``(B, L)`` ids.
            positions: ``(B, L)`` rotary positions; each 0 starts a document, and attention does not look
                behind it. None counts from 0 without documents, where the fast causal kernels run.
            caches: One for each layer; tokens are then appended to what they hold.
        """
        out: Tensor = self.model(tokens, positions, caches)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits of hidden states, ``(..., vocab)``."""
        return functional.linear(hidden, self.head_weight)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights: normal with a deviation of 0.02 cut at 2 (as GPT-2 and Llama recipes do).

        What writes into the residual stream (``o_proj``, ``down_proj``) has ``0.02 / sqrt(2 * layer)`` with
        layers counted from 1, so that the stream's variance does not grow with depth (torchtitan's rule).
        """
        for name, weight in self.named_parameters():
            if weight.dim() == 1:
                weight.fill_(1.0)
                continue
            std = 0.02
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                std /= math.sqrt(2 * (int(name.split(".")[2]) + 1))
            nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std, generator=generator)


def rotary_turns(shape: Shape, positions: Tensor) -> Turns:
    """Return cosine and sine of each position's angles (no scaling), in float32.

    Args:
        shape: Gives ``head_dim`` and ``rope_theta``.
        positions: ``(B or 1, L)``.
    """
    steps = torch.arange(0, shape.head_dim, 2, device=positions.device, dtype=torch.int64).float()
    frequencies = 1.0 / (shape.rope_theta ** (steps / shape.head_dim))
    angles = positions.float()[:, :, None, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turns: Turns, rotary: Rotary) -> Tensor:
    """Turn the pairs of each head, ``(B, L, H, D)``, in float32."""
    cos, sin = turns
    wide = x.float()
    if rotary == "half":
        left, right = wide.chunk(2, dim=-1)
        return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1).to(x.dtype)
    even, odd = wide[..., ::2], wide[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2).to(x.dtype)


def document_mask(positions: Tensor) -> Tensor | None:
    """Return who sees whom, ``(B, 1, L, L)``, or None where no document starts inside a sequence."""
    starts = positions == 0
    if not bool(starts[:, 1:].any()):
        return None
    document = starts.cumsum(dim=1)
    same = document[:, :, None] == document[:, None, :]
    return same.tril().unsqueeze(1)
