"""Attention and model for CPUs, where FlexAttention has no backward pass.

The same mathematics with torch's scaled-dot-product attention: causal, and never behind a document's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torchtitan.models.common.attention import FlexAttention
from torchtitan.models.llama3 import Llama3Model


class DenseAttention(FlexAttention):
    """Scaled-dot-product attention with a dense mask. B batch, L length, N heads, H head width."""

    @dataclass(kw_only=True, slots=True)
    class Config(FlexAttention.Config):
        """No settings of its own."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]  # plain tensors for block masks
        self,
        q_BLNH: torch.Tensor,
        k_BLNH: torch.Tensor,
        v_BLNH: torch.Tensor,
        *,
        attention_masks: torch.Tensor | None,
        scale: float | None = None,
        enable_gqa: bool = False,
        **_: Any,
    ) -> torch.Tensor:
        """Return ``(B, L, N, H)``. Without a mask, attention is causal over the whole sequence.

        The names of the arguments are what torchtitan's sharding plans look for.
        """
        out: torch.Tensor = functional.scaled_dot_product_attention(
            q_BLNH.transpose(1, 2),
            k_BLNH.transpose(1, 2),
            v_BLNH.transpose(1, 2),
            attn_mask=attention_masks,
            is_causal=attention_masks is None,
            scale=scale,
            enable_gqa=enable_gqa,
        )
        return out.transpose(1, 2)


class CpuLlama(Llama3Model):
    """torchtitan's Llama with masks that are plain tensors."""

    @dataclass(kw_only=True, slots=True)
    class Config(Llama3Model.Config):
        """No settings of its own."""

    def get_attention_masks(self, positions: torch.Tensor) -> Any:
        """Return ``(B, 1, L, L)``, true where attention may look, or ``None`` for causal attention alone.

        Args:
            positions: ``(B, L)``; 0 starts a document.
        """
        starts = positions[:, 1:] == 0
        if not starts.any():
            return None
        document = functional.pad(starts.cumsum(1), (1, 0))
        same = document[:, None, :, None] == document[:, None, None, :]
        return same.tril()
