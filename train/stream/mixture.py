"""Several sources as one, by weight, mixed sequence by sequence."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from opencoder.errors import UserError
from train.sequences import Ints, Sequences
from train.spec import Data
from train.stream.shuffle import hashed, key_of

_BLOCK = 4096
_KEPT_BLOCKS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """Sequences next to one another.

    Attributes:
        source: Of each.
        own: Its number in the source.
        before: Sequences of each source before the block.
    """

    source: Ints
    own: Ints
    before: Ints


def mixed(streams: Sequence[Sequences], data: Data) -> Sequences:
    """Return the sequences of a spec's sources, mixed by their weights; those of a single one as they are.

    Args:
        streams: Of each source.
        data: The sources and the seed.

    Raises:
        UserError: As for :class:`Mixture`.
    """
    if len(streams) == 1:
        return streams[0]
    return Mixture(
        streams,
        names=[source.folder for source in data.sources],
        weights=[source.weight for source in data.sources],
        key=key_of(data.seed, "mixture"),
    )


class Mixture:
    """Sources mixed at the level of sequences (``train.sequences.Sequences``).

    Sequence ``c`` of a source with share ``p`` has the time ``(c + u) / p``, where ``u`` in [0, 1) is random
    by seed, source and ``c``; the mixture is all sequences by time. So each source is read in its own order
    without gaps, and of the first ``n`` sequences it has ``p * n``, give or take less than
    ``1 + p * max(0, sources - 2)``: less than 1 for two sources, for every ``n`` and without end.

    Attributes:
        seq_len: Tokens of a sequence.
        shares: Share of each source, in all 1.

    Args:
        sources: What is mixed.
        names: Their names in the counts.
        weights: Above 0, to any sum.
        key: 64 bits that the order follows from.

    Raises:
        UserError: A weight is not above 0, or the sources differ in length.
    """

    def __init__(
        self, sources: Sequence[Sequences], *, names: Sequence[str], weights: Sequence[float], key: int
    ) -> None:
        for name, weight in zip(names, weights, strict=True):
            if not 0 < weight < float("inf"):
                raise UserError(
                    f"source {name}: weight={weight} must be above 0; leave the source out instead"
                )
        if len({source.seq_len for source in sources}) != 1:
            raise UserError("sources of a mixture must have sequences of one length")
        self.seq_len = sources[0].seq_len
        self.shares = [weight / sum(weights) for weight in weights]
        self._sources, self._names = sources, names
        self._keys = [key_of(key, number) for number in range(len(sources))]
        self._blocks: OrderedDict[int, _Block] = OrderedDict()

    @property
    def per_epoch(self) -> float:
        """Sequences until every source has been read once; those with more weight are read more often."""
        pairs = zip(self._sources, self.shares, strict=True)
        return max(source.per_epoch / share for source, share in pairs)

    def source_of(self, index: int) -> tuple[int, int]:
        """Return which source a sequence is from, and its number there."""
        number, place = divmod(index, _BLOCK)
        block = self._block(number)
        return int(block.source[place]), int(block.own[place])

    def taken(self, num: int) -> list[int]:
        """Return how many of the first ``num`` sequences are from each source."""
        number, place = divmod(num, _BLOCK)
        block = self._block(number)
        inside = np.bincount(block.source[:place], minlength=len(self._sources))
        return [int(num) for num in block.before + inside]

    def fill(self, index: int, tokens: Ints, labels: Ints, positions: Ints) -> None:
        """Write a sequence (see ``Sequences.fill``)."""
        source, own = self.source_of(index)
        self._sources[source].fill(own, tokens, labels, positions)

    def counts(self, first: int, last: int) -> dict[str, int]:
        """Return what sequences ``first`` to ``last - 1`` hold, and ``sequences NAME`` for each source."""
        total: dict[str, int] = {}
        for source, name, begin, end in zip(
            self._sources, self._names, self.taken(first), self.taken(last), strict=True
        ):
            for what, num in source.counts(begin, end).items():
                total[what] = total.get(what, 0) + num
            total[f"sequences {name}"] = end - begin
        return total

    def _block(self, number: int) -> _Block:
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._make_block(number)
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def _make_block(self, number: int) -> _Block:
        # By time t each source has less than one sequence more or less than its share of t, so the block is
        # within these times.
        num, margin, first = len(self._sources), len(self._sources) + 1, number * _BLOCK
        begins = [self._earlier(source, first - margin) for source in range(num)]
        ends = [self._earlier(source, first + _BLOCK + margin) for source in range(num)]
        own = np.concatenate([np.arange(begin, end) for begin, end in zip(begins, ends, strict=True)])
        source = np.repeat(np.arange(num), np.subtract(ends, begins))
        times = np.concatenate([self._times(at, own[source == at]) for at in range(num)])
        order = np.argsort(times, kind="stable")
        skipped, kept = np.split(order, [first - sum(begins)])
        before = np.array(begins) + np.bincount(source[skipped], minlength=num)
        return _Block(source=source[kept[:_BLOCK]], own=own[kept[:_BLOCK]], before=before)

    def _times(self, source: int, own: Ints) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        chance = (hashed(own, self._keys[source]) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.asarray((own + chance) / self.shares[source])

    def _earlier(self, source: int, time: float) -> int:
        """Return how many sequences of a source have a time before ``time``."""
        # All but the nearest are decided without chance; one more on either side is for rounding.
        near = int(max(0.0, time) * self.shares[source])
        own = np.arange(max(0, near - 2), near + 3)
        return int(own[0]) + int((self._times(source, own) < time).sum())
