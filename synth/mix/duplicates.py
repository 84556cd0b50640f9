"""Rows that repeat a better-verified one."""

from __future__ import annotations

from typing import Any, Literal

from synth.mix.pool import Pool
from synth.near import NearIndex
from synth.record import Row

THRESHOLD = 0.8
"""Least estimated Jaccard similarity of the shingles of near-duplicates."""


def find_duplicates(pool: Pool, dedup: Literal["exact", "near", "none"]) -> Any:
    """Return for each row the place of the row that it repeats, or -1 (``int64``).

    Rows are compared from the best-verified to the worst, each with those that stay, so that what a row is
    dropped for is itself kept.

    Raises:
        DependencyError: ``near``, and datasketch is missing.
    """
    import numpy as np

    kept = np.full(len(pool), -1, dtype=np.int64)
    if dedup == "none":
        return kept
    index = NearIndex(THRESHOLD if dedup == "near" else 1.0)
    for place in pool.best_first().tolist():
        repeated = index.add(text_of(pool.row(place)), f"{place:064x}")
        if repeated is not None:
            kept[place] = int(repeated, 16)
    return kept


def text_of(row: Row) -> str:
    """Return what is compared: all turns, and the code where no assistant speaks.

    Two answers to one question are two rows.
    """
    texts = [turn.content for turn in row.messages]
    if all(turn.role != "assistant" for turn in row.messages):
        texts.append(row.code)
    return "\n".join(texts)
