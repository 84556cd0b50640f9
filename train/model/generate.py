"""Greedy continuation with a key-value cache."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from train.model.llama import Cache, Llama


@torch.no_grad()
def greedy(model: Llama, tokens: Tensor, max_new: int, eos: Collection[int] = ()) -> list[list[int]]:
    """Continue prompts of one length with the likeliest token each time.

    Args:
        model: The model.
        tokens: ``(B, L)`` prompts.
        max_new: The most tokens to add.
        eos: Ids that end a row; the id itself is kept.

    Returns:
        The new tokens of each row.
    """
    caches = [Cache() for _ in range(model.shape.layers)]
    rows: list[list[int]] = [[] for _ in range(len(tokens))]
    length = tokens.shape[1]
    positions = torch.arange(length, device=tokens.device).expand(len(tokens), -1)
    for step in range(max_new):
        hidden = model(tokens, positions, caches)
        tokens = model.logits(hidden[:, -1]).argmax(dim=-1, keepdim=True)
        positions = torch.full_like(tokens, length + step)
        ids: list[int] = tokens.squeeze(1).tolist()
        for row, token in zip(rows, ids, strict=True):
            if not row or row[-1] not in eos:
                row.append(token)
        if all(row[-1] in eos for row in rows):
            break
    return rows
