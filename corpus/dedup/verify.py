"""Which documents of a cluster go, by their exact similarity to those that stay.

Bands only make candidates: 128 bands of 16 rows bring together pairs below the threshold too, and a cluster
may chain documents that have little in common. With a least similarity, a document goes only if it is as
near as that to one that stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from corpus.dedup.shingles import jaccard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_KEPT = 64
"""A document is compared with so many that stay of its cluster, the best, so that time stays linear. One that
is near to none of them stays: at worst a duplicate is left over."""


class Dropped(NamedTuple):
    """A document that goes.

    Attributes:
        number: Its number.
        kept: Number of the one that stays for it.
        jaccard: Similarity of the two, exact over 32-bit hashes of shingles.
    """

    number: int
    kept: int
    jaccard: float


def settle(
    members: Iterable[int], shingles: Callable[[int], NDArray[np.uint32]], *, least: float = 0.0
) -> list[Dropped]:
    """Return the documents of a cluster that go; the others stay.

    Documents are taken in the order given, so that the outcome hangs on nothing else: each goes if one that
    stays is near enough, for the first such one, and stays otherwise.

    Args:
        members: Numbers of the documents of one cluster, the best first.
        shingles: Returns the shingle hashes of a document (see ``corpus.dedup.shingles``).
        least: Least Jaccard similarity; 0 drops all but the best.
    """
    kept: list[tuple[int, NDArray[np.uint32]]] = []
    gone = []
    for number in members:
        mine = shingles(number)
        for other, theirs in kept:
            # The smaller over the larger set is the most that a similarity can be.
            if min(mine.size, theirs.size) < least * max(mine.size, theirs.size):
                continue
            similarity = jaccard(mine, theirs)
            if similarity >= least:
                gone.append(Dropped(number, other, similarity))
                break
        else:
            if len(kept) < MAX_KEPT:
                kept.append((number, mine))
    return gone
