"""Settings of fuzzy deduplication: what a shingle is, how many lanes a signature has, how they are banded.

Two files with Jaccard similarity ``s`` of their shingle sets share at least one of ``b`` bands of ``r`` lanes
with probability ``1 - (1 - s^r)^b``; the steep part lies near the threshold ``(1/b)^(1/r)``. The OpenCoder
paper (arXiv:2411.04905) hashes 2048 times and cuts into 16 bands of 128 rows, which removes files that are
all but equal (threshold 0.979) and nothing else. The other profiles look further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from opencoder.errors import UserError

Shingle = Literal["word5", "char5"]
ProfileName = Literal["paper", "near", "stack"]

MAX_LANES = 1 << 16
"""More lanes than this cost hours and sharpen nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """How near-duplicates are found.

    Attributes:
        name: ``paper``, ``near``, ``stack``, or ``custom`` for anything else.
        shingle: Five words or five characters.
        num_perm: Lanes of the family of hash functions; they fix which functions the bands use.
        bands: Groups of lanes; one in common makes two files candidates.
        rows: Lanes of one band, all of which must agree.
    """

    name: str
    shingle: Shingle
    num_perm: int
    bands: int
    rows: int

    @property
    def threshold(self) -> float:
        """Similarity near which the chance to be found goes from hardly to nearly always."""
        return float((1 / self.bands) ** (1 / self.rows))

    def chance(self, similarity: float) -> float:
        """Return the probability that two files of this Jaccard similarity (0 to 1) share a band."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


PROFILES: dict[ProfileName, Profile] = {
    "paper": Profile(name="paper", shingle="word5", num_perm=2048, bands=16, rows=128),
    "near": Profile(name="near", shingle="word5", num_perm=2048, bands=128, rows=16),
    # BigCode's near-deduplication of The Stack: words split at all but [A-Za-z0-9_], threshold about 0.7.
    "stack": Profile(name="stack", shingle="word5", num_perm=256, bands=25, rows=10),
}


def choose_profile(
    name: ProfileName = "paper",
    *,
    bands: int | None = None,
    rows: int | None = None,
    num_perm: int | None = None,
    shingle: Shingle | None = None,
) -> Profile:
    """Return a named profile, or a custom one where a value differs from it.

    Without ``num_perm``, bands or rows that do not fit into the named profile's lanes get as many lanes as
    they need.

    Raises:
        UserError: A number is below 1, or the bands need more lanes than there are.
    """
    base = PROFILES[name]
    for flag, value in (("--bands", bands), ("--rows", rows), ("--num-perm", num_perm)):
        if value is not None and not 1 <= value <= MAX_LANES:
            raise UserError(f"{flag} must be from 1 to {MAX_LANES}, not {value}")
    bands, rows = bands or base.bands, rows or base.rows
    lanes = bands * rows
    if lanes > MAX_LANES:
        raise UserError(f"{bands} bands of {rows} rows are {lanes} lanes; at most {MAX_LANES} are possible")
    num_perm = num_perm or max(base.num_perm, lanes)
    if lanes > num_perm:
        raise UserError(
            f"{bands} bands of {rows} rows need {lanes} permutations, not {num_perm}; "
            "raise --num-perm or lower --bands or --rows"
        )
    found = Profile(name=name, shingle=shingle or base.shingle, num_perm=num_perm, bands=bands, rows=rows)
    return (
        found
        if found == base
        else Profile(name="custom", shingle=found.shingle, num_perm=num_perm, bands=bands, rows=rows)
    )
