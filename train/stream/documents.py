"""Documents of token shards, shuffled anew in every epoch, end to end, cut into sequences of one length."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opencoder.errors import DataError
from train.sequences import IGNORE, Ints
from train.stream.fim import ADDED, FillInMiddle
from train.stream.segments import Segments
from train.stream.shuffle import Permutation, key_of
from train.tokens.read import TokenShards

_BLOCK = 4096
"""Documents whose places are worked out at a time."""
_CHUNK_BLOCKS = 256
_KEPT_BLOCKS = 4
_FEW = 64
"""Up to so many documents in a sequence, a loop over them is faster than indices for every token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Epoch:
    """The order of one epoch; ``before`` is the number of tokens before each block."""

    number: int
    order: Permutation
    before: Ints


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """Documents next to one another in the order of an epoch.

    Attributes:
        first: Place of the first document in the order.
        begin: Place of its first token in the epoch.
        ends: Where each document ends in the epoch, in tokens.
        segments: Where their tokens lie.
    """

    first: int
    begin: int
    ends: Ints
    segments: Segments


class DocumentStream:
    """A source as numbered sequences (``train.sequences.Sequences``).

    Documents of an epoch stand in an order that seed and epoch alone decide, epochs follow one another, and
    nothing is dropped: sequence ``k`` has the tokens ``k * seq_len`` to ``(k + 1) * seq_len - 1`` of that
    endless stream as inputs, and the tokens after them as labels. Every token is an input exactly once in an
    epoch. Reading a sequence takes a search and the copying.

    Memory: 8 bytes for every 4,096 documents and the places of 16,384 documents, so that billions of
    documents are no burden. An epoch begins with a pass over the lengths of the documents, about 0.3 s for a
    million. Not safe for several threads.

    Attributes:
        seq_len: Tokens of a sequence.
        shards: The source.

    Args:
        shards: The source.
        seq_len: Tokens of a sequence.
        key: 64 bits that the order follows from.
        document_mask: Attention stays within documents: positions restart, and the last token of a document
            has no label. A document's own end is a label.
        fim: Fill-in-the-middle.

    Raises:
        DataError: The source has no tokens.
    """

    def __init__(
        self,
        shards: TokenShards,
        *,
        seq_len: int,
        key: int,
        document_mask: bool = True,
        fim: FillInMiddle | None = None,
    ) -> None:
        if not shards.tokens:
            raise DataError("holds no tokens; there is nothing to train on", path=shards.folder)
        self.seq_len, self.shards = seq_len, shards
        self._key, self._mask, self._fim = key, document_mask, fim
        self._documents = shards.documents
        added = 0 if fim is None else ADDED * int(fim.before(np.array([self._documents]))[0])
        self._tokens = shards.tokens + added
        self._epochs: OrderedDict[int, _Epoch] = OrderedDict()
        self._blocks: OrderedDict[tuple[int, int], _Block] = OrderedDict()
        self._count = np.arange(seq_len, dtype=np.int64)
        # One token more than a sequence: the label of the last position.
        self._read: NDArray[Any] = np.empty(seq_len + 1, dtype=shards.manifest.dtype)

    @property
    def per_epoch(self) -> float:
        """Sequences of one pass over the source."""
        return self._tokens / self.seq_len

    def fill(self, index: int, tokens: Ints, labels: Ints, positions: Ints) -> None:
        """Write a sequence (see ``Sequences.fill``)."""
        starts = self._copy(index * self.seq_len, self._read)
        tokens[:] = self._read[:-1]
        labels[:] = self._read[1:]
        if self._mask:
            labels[starts - 1] = IGNORE
            self._write_positions(starts, positions)
        else:
            positions[:] = self._count

    def counts(self, first: int, last: int) -> dict[str, int]:
        """Return what sequences ``first`` to ``last - 1`` hold.

        Returns:
            ``tokens``: inputs; ``trained``: labels that count; ``padding``: 0; ``documents``: those that end.
        """
        tokens = (last - first) * self.seq_len
        ended = self._ended(last * self.seq_len) - self._ended(first * self.seq_len)
        trained = tokens - ended if self._mask else tokens
        return {"tokens": tokens, "trained": trained, "padding": 0, "documents": ended}

    def _ended(self, place: int) -> int:
        """Return how many documents end among the first ``place`` tokens of the stream."""
        epoch, offset = divmod(place, self._tokens)
        block = self._block(epoch, offset)
        return epoch * self._documents + block.first + int(block.ends.searchsorted(offset, "right"))

    def _write_positions(self, starts: Ints, positions: Ints) -> None:
        count = self._count
        if starts.size <= _FEW:
            begin = 0
            for stop in [*starts.tolist(), self.seq_len]:
                positions[begin:stop] = count[: stop - begin]
                begin = stop
            return
        begins = np.concatenate(([0], starts))
        lengths = np.diff(begins, append=self.seq_len)
        np.subtract(count, np.repeat(begins, lengths), out=positions)

    def _copy(self, place: int, out: NDArray[Any]) -> Ints:
        """Write the tokens of the stream from ``place`` on, and where documents start in it."""
        at, starts = 0, []
        while at < out.size:
            epoch, offset = divmod(place + at, self._tokens)
            block = self._block(epoch, offset)
            take = min(out.size - at, int(block.ends[-1]) - offset)
            block.segments.copy(self.shards.views, offset - block.begin, out[at : at + take])
            first, last = block.ends.searchsorted((offset, offset + take), "right")
            # Where one ends, the next one starts.
            starts.append(block.ends[first:last] - (offset - at))
            at += take
        found = starts[0] if len(starts) == 1 else np.concatenate(starts)
        return found[:-1] if found.size and found[-1] == out.size else found

    def _block(self, number: int, offset: int) -> _Block:
        """Return the block that holds a token of an epoch."""
        epoch = self._epoch(number)
        place = int(epoch.before.searchsorted(offset, "right")) - 1
        block = self._blocks.get((number, place))
        if block is None:
            block = self._blocks[number, place] = self._make_block(epoch, place)
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def _make_block(self, epoch: _Epoch, number: int) -> _Block:
        first = number * _BLOCK
        places = np.arange(first, min(first + _BLOCK, self._documents))
        documents = epoch.order(places)
        found = self.shards.locate(documents)
        parts, full = found, found.length
        if self._fim is not None:
            chosen = np.diff(self._fim.before(np.append(places, places[-1] + 1)))
            parts = self._fim.parts(epoch.number, documents, np.flatnonzero(chosen), found)
            full = found.length + ADDED * chosen
        begin = int(epoch.before[number])
        return _Block(first=first, begin=begin, ends=begin + np.cumsum(full), segments=Segments.of(parts))

    def _epoch(self, number: int) -> _Epoch:
        epoch = self._epochs.get(number)
        if epoch is None:
            epoch = self._epochs[number] = self._make_epoch(number)
            # A sequence may show the end of one and the beginning of the next.
            if len(self._epochs) > 2:
                self._epochs.popitem(last=False)
        return epoch

    def _make_epoch(self, number: int) -> _Epoch:
        order = Permutation(self._documents, key_of(self._key, "epoch", number))
        sums = []
        for first in range(0, self._documents, _BLOCK * _CHUNK_BLOCKS):
            places = np.arange(first, min(first + _BLOCK * _CHUNK_BLOCKS, self._documents))
            length = self.shards.locate(order(places)).length
            sums.append(np.add.reduceat(length, np.arange(0, places.size, _BLOCK)))
        before = np.concatenate(([0], np.cumsum(np.concatenate(sums))[:-1])).astype(np.int64)
        if self._fim is not None:
            before += ADDED * self._fim.before(np.arange(before.size) * _BLOCK)
        return _Epoch(number=number, order=order, before=before)
