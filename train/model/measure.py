"""Cross entropy of whole texts, one value for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from train.model.llama import Llama

_BATCH_TOKENS = 8192
_LOGIT_ROWS = 1024


class Row(NamedTuple):
    """A text that is measured.

    Attributes:
        tokens: ``(L,)`` ids.
        mask: ``(L,)``: 1 where a token counts. The first one never does, as nothing precedes it.
    """

    tokens: NDArray[np.integer]
    mask: NDArray[np.uint8]

    @property
    def scored(self) -> int:
        """Tokens that count."""
        return int(np.count_nonzero(self.mask[1:]))


@torch.no_grad()
def row_losses(model: Llama, rows: Sequence[Row]) -> list[float]:
    """Return the cross entropy of each row, summed over the tokens that count, in nats.

    Args:
        model: In evaluation mode.
        rows: None longer than the model's positions.
    """
    losses = [0.0] * len(rows)
    device = model.head_weight.device
    for batch in _batches(rows):
        length = max(len(rows[number].tokens) for number in batch)
        tokens = torch.zeros((len(batch), length), dtype=torch.long)
        counts = torch.zeros((len(batch), length), dtype=torch.bool)
        for place, number in enumerate(batch):
            row = rows[number]
            tokens[place, : len(row.tokens)] = torch.from_numpy(row.tokens.astype(np.int64))
            counts[place, 1 : len(row.tokens)] = torch.from_numpy(row.mask[1:] != 0)
        tokens, counts = tokens.to(device), counts.to(device)
        # Causal: what stands behind a row to fill the batch changes nothing before it.
        hidden = model(tokens)[:, :-1][counts[:, 1:]]
        wanted = tokens[:, 1:][counts[:, 1:]]
        nats = _nats(model, hidden, wanted)
        owner = counts.nonzero()[:, 0]
        sums = torch.zeros(len(batch), dtype=torch.float64, device=device).index_add_(0, owner, nats.double())
        for number, value in zip(batch, sums.tolist(), strict=True):
            losses[number] = value
    return losses


def _nats(model: Llama, hidden: Tensor, wanted: Tensor) -> Tensor:
    """Return the cross entropy of each token, ``(N,)``, with a part of the logits in memory at a time."""
    parts = [slice(start, start + _LOGIT_ROWS) for start in range(0, len(wanted), _LOGIT_ROWS)]
    return torch.cat(
        [
            functional.cross_entropy(model.logits(hidden[part]).float(), wanted[part], reduction="none")
            for part in parts
        ]
    )


def _batches(rows: Sequence[Row]) -> Iterator[list[int]]:
    """Yield the numbers of rows that are computed together: of like length, to a limit in tokens."""
    batch: list[int] = []
    for number in sorted(range(len(rows)), key=lambda one: len(rows[one].tokens)):
        if batch and (len(batch) + 1) * len(rows[number].tokens) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
