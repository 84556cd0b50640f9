"""Cross entropy of a linear output layer without the whole logits in memory.

The logits of one sequence of 4,096 tokens over 96,640 ids take 1.5 GiB in float32. They are made in pieces,
and each piece's gradient is taken while it is there: one pass over the output layer, nothing computed twice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from train.sequences import IGNORE


def chunked_cross_entropy(
    hidden: Tensor, weight: Tensor, labels: Tensor, *, chunk: int = 2048, compiled: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the summed loss and the number of labels that count.

    Equals ``cross_entropy(hidden @ weight.T, labels, reduction="sum")`` in float32, gradients included. The
    gradient of ``weight`` is summed over the pieces in float32.

    Args:
        hidden: ``(..., C)`` hidden states; the logits are made in their format.
        weight: ``(vocab, C)`` output layer.
        labels: ``(...)`` ids, or -100 where nothing is to be learned.
        chunk: Tokens of one piece.
        compiled: Compile what happens to one piece's logits.
    """
    flat, wanted = hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1)
    loss: Tensor = _Chunked.apply(flat, weight, wanted, chunk, compiled)  # type: ignore[no-untyped-call]
    return loss, (wanted != IGNORE).sum()


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, chunk: int, compiled: bool
    ) -> Tensor:
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        piece = _compiled_piece() if compiled else _piece
        cast = weight.to(hidden.dtype)
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        d_hidden = torch.empty_like(hidden) if wants_hidden else None
        d_weight = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        # Inside autocast this already runs without gradients, but its casts would be kept.
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), chunk):
                rows = slice(start, start + chunk)
                part, d_logits = piece(hidden[rows] @ cast.T, labels[rows])
                loss += part
                if d_hidden is not None:
                    torch.mm(d_logits, cast, out=d_hidden[rows])
                if d_weight is not None:
                    d_weight += d_logits.T @ hidden[rows]
        ctx.save_for_backward(d_hidden, d_weight)
        ctx.weight_dtype = weight.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        d_hidden, d_weight = ctx.saved_tensors
        scale = grads[0]
        if d_hidden is not None:
            d_hidden = d_hidden * scale.to(d_hidden.dtype)
        if d_weight is not None:
            d_weight = (d_weight * scale).to(ctx.weight_dtype)
        return d_hidden, d_weight, None, None, None


def _piece(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed loss of one piece and the gradient of its logits, in their format."""
    wide = logits.float()
    counts = labels != IGNORE
    target = torch.where(counts, labels, 0).unsqueeze(1)
    norm = torch.logsumexp(wide, dim=1, keepdim=True)
    loss = ((norm - wide.gather(1, target)).squeeze(1) * counts).sum()
    ids = torch.arange(wide.shape[1], device=wide.device)
    gradient = torch.exp(wide - norm) - (ids == target).float()
    return loss, (gradient * counts.unsqueeze(1)).to(logits.dtype)


@functools.cache
def _compiled_piece() -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return torch.compile(_piece, dynamic=False)
