"""How many rows of each source, which of them, and in which order.

Every row has a key that follows from the seed of the mixture and the row's id alone, and of each source those
with the lowest keys are drawn. So another source, or a larger number, changes no choice among the rows that
are there: the smaller draw is a part of the larger one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from opencoder.errors import UserError
from synth.mix.config import Mixture, Source

_KEY_BYTES = 8


def row_key(seed: int, row_id: str) -> int:
    """Return the key of a row, 64 bits."""
    text = f"{seed}:{row_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=_KEY_BYTES).digest(), "little")


def amounts(mixture: Mixture, available: Sequence[int]) -> list[int]:
    """Return how many rows to take of each source, repeats counted.

    Args:
        mixture: The mixture.
        available: Rows of each source that passed its conditions and are no duplicates.

    Raises:
        UserError: A source with a weight has no rows, so that no size of the mixture keeps the shares.
    """
    if all(source.weight is not None for source in mixture.sources):
        return _weighted(mixture, available)
    wanted = [_wanted(source, num) for source, num in zip(mixture.sources, available, strict=True)]
    if mixture.max_rows is None or sum(wanted) <= mixture.max_rows:
        return wanted
    return _shared(mixture.max_rows, wanted)


def drawn(keys: Any, amount: int) -> tuple[Any, Any]:
    """Return the places of the rows to take, and how often each.

    Args:
        keys: Keys of the rows of one source (``uint64``).
        amount: Rows to take, repeats counted; rows repeat where it is more than there are.
    """
    import numpy as np

    order = np.argsort(keys, kind="stable")
    if not len(order):
        return order, order
    passes, rest = divmod(amount, len(order))
    copies = np.full(len(order), passes, dtype=np.int64)
    copies[:rest] += 1
    taken = copies > 0
    return order[taken], copies[taken]


def shuffled(keys: Any, copies: Any) -> Any:
    """Return numbers to sort the drawn rows by; each copy of a row gets one of its own.

    Args:
        keys: Keys of the drawn rows (``uint64``), one for each copy.
        copies: Number of the copy, from 0.
    """
    import numpy as np

    # SplitMix64 (Steele et al., 2014): the place in the order must not follow from being drawn early.
    mixed = keys + (copies.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _wanted(source: Source, available: int) -> int:
    if source.rows is not None:
        return min(source.rows, available)
    return math.floor((1.0 if source.epochs is None else source.epochs) * available + 0.5)


def _weighted(mixture: Mixture, available: Sequence[int]) -> list[int]:
    weights = [source.weight or 0.0 for source in mixture.sources]
    total = sum(weights)
    for source, num in zip(mixture.sources, available, strict=True):
        if not num:
            raise UserError(f"source `{source.label}` has a weight and no row left; loosen its `where`")
    size = min(
        math.floor(num * total / weight + 1e-9) for num, weight in zip(available, weights, strict=True)
    )
    if mixture.max_rows is not None:
        size = min(size, mixture.max_rows)
    return [min(num, part) for num, part in zip(available, _shared(size, weights), strict=True)]


def _shared(total: int, weights: Sequence[float]) -> list[int]:
    """Divide a total by weights, by largest remainders."""
    exact = [total * weight / sum(weights) for weight in weights]
    parts = [math.floor(share + 1e-9) for share in exact]
    order = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[: total - sum(parts)]:
        parts[place] += 1
    return parts
