"""Stretches of tokens in shards, end to end, and copying a part of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.sequences import Ints
from train.tokens.read import Places

LITERAL = -1
"""Stands in ``Places.shard`` where ``start`` is a token itself, of length 1."""

# Up to so many stretches, or so many of each shard, a loop over them is faster than an index for each token.
_FEW = 64
_PER_SHARD = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Segments:
    """Stretches of tokens laid end to end, ``(n,)`` each.

    Attributes:
        shard: Number of the shard, or :data:`LITERAL`.
        shift: What to add to a token's place here for its place in the shard; of a literal, the token.
        stops: Where each ends here.
    """

    shard: Ints
    shift: Ints
    stops: Ints

    @classmethod
    def of(cls, places: Places) -> Segments:
        """Lay stretches end to end."""
        stops = np.cumsum(places.length)
        shift = places.start - np.where(places.shard == LITERAL, 0, stops - places.length)
        return cls(shard=places.shard, shift=shift, stops=stops)

    def copy(self, views: Sequence[NDArray[Any]], skip: int, out: NDArray[Any]) -> None:
        """Write the tokens after the first ``skip``.

        Args:
            views: Tokens of each shard.
            skip: Tokens that are passed over.
            out: ``(n,)`` in the format of the shards; one token or more, and no more than there are.
        """
        first, last = self.stops.searchsorted((skip, skip + out.size - 1), "right").tolist()
        part = slice(first, last + 1)
        if last - first >= _FEW:
            shards = np.unique(self.shard[part])
            if shards.size * _PER_SHARD <= last - first:
                self._gather(views, part, shards.tolist(), skip, out)
                return
        at, end = skip, skip + out.size
        rows = zip(
            self.shard[part].tolist(), self.shift[part].tolist(), self.stops[part].tolist(), strict=True
        )
        for shard, shift, stop in rows:
            to = min(stop, end)
            out[at - skip : to - skip] = shift if shard == LITERAL else views[shard][at + shift : to + shift]
            at = to

    def _gather(
        self, views: Sequence[NDArray[Any]], part: slice, shards: list[int], skip: int, out: NDArray[Any]
    ) -> None:
        """Copy by an index for every token: many short stretches of few shards."""
        stops = np.minimum(self.stops[part] - skip, out.size)
        lengths = np.diff(stops, prepend=0)
        shift = np.repeat(self.shift[part] + skip, lengths)
        of = np.repeat(self.shard[part], lengths)
        for shard in shards:
            at = np.flatnonzero(of == shard)
            out[at] = shift[at] - skip if shard == LITERAL else views[shard][at + shift[at]]
