"""What the loader reads: numbered training sequences of one length, each a pure function of its number."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

IGNORE = -100
"""Label of a position that is not trained on (PyTorch's ``ignore_index``)."""

Ints: TypeAlias = NDArray[np.int64]


class Sequences(Protocol):
    """Numbered training sequences.

    Sequence ``i`` is the same on every machine, for every number of ranks and after every resume: which
    rank computes it is the loader's business alone.

    Attributes:
        seq_len: Tokens of each.
    """

    seq_len: int

    @property
    def per_epoch(self) -> float:
        """Sequences of one pass over the data (a stream's last one may run into the next pass)."""
        ...

    def fill(self, index: int, tokens: Ints, labels: Ints, positions: Ints) -> None:
        """Write sequence ``index`` (0 or more, without end: epochs follow one another).

        Args:
            index: Number of the sequence.
            tokens: ``(seq_len,)``: input ids.
            labels: ``(seq_len,)``: the next token of each position, or :data:`IGNORE`.
            positions: ``(seq_len,)``: rotary positions; 0 starts a document, and attention does not look
                behind it.
        """
        ...

    def counts(self, first: int, last: int) -> dict[str, int]:
        """Return what sequences ``first`` to ``last - 1`` hold (``tokens``, ``trained``, ``padding`` ...)."""
        ...
