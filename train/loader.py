"""Batches of one rank: which sequences they hold, and a state that does not know how many ranks there are.

Step ``t`` of ``G`` sequences sees the sequences ``t * G`` to ``(t + 1) * G - 1``. With ``R`` ranks and
micro-batches of ``b`` sequences, row ``i`` of micro-batch ``a`` of rank ``r`` is sequence
``t * G + a * R * b + r * b + i``. So a micro-batch of all ranks is a stretch of ``R * b`` sequences, and the
whole state is how many sequences all ranks together are done with.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from opencoder.errors import UserError
from train.sequences import Ints, Sequences
from train.spec import Batch

if TYPE_CHECKING:
    from torch import Tensor

MicroBatch: TypeAlias = "tuple[dict[str, Tensor], Tensor]"
"""``({"input": (b, L), "positions": (b, L)}, labels (b, L))``, all int64."""

_Arrays: TypeAlias = tuple[Ints, Ints, Ints]
_STATE = "sequences"


class Batches:
    """The micro-batches of one rank, without end.

    A thread makes up to ``ahead`` of them before they are asked for; the state counts those that were given
    out. Tensors are fresh: nothing writes to them later.

    Attributes:
        consumed: Sequences that all ranks together are done with.

    Args:
        sequences: What is read; used by one iteration at a time.
        batch: Sizes.
        rank: Of those that read different data.
        ranks: How many there are.
        ahead: Micro-batches made in advance; 0 for none and no thread.

    Raises:
        UserError: The batch cannot be shared evenly, or the sequences are of another length.
    """

    def __init__(
        self, sequences: Sequences, batch: Batch, *, rank: int = 0, ranks: int = 1, ahead: int = 2
    ) -> None:
        if batch.seq_len != sequences.seq_len:
            raise UserError(f"batch: seq_len is {batch.seq_len}, but sequences are of {sequences.seq_len}")
        if not 0 <= rank < ranks:
            raise UserError(f"batch: rank {rank} of {ranks} ranks; ranks count from 0")
        if batch.sequences % (batch.micro * ranks):
            raise UserError(
                f"batch: {batch.sequences} sequences a step cannot be shared by {ranks} ranks of "
                f"{batch.micro}; change --micro or the ranks"
            )
        self.consumed = 0
        self._sequences, self._batch, self._ahead = sequences, batch, ahead
        self._rank, self._stride = rank, ranks * batch.micro
        self._reading = threading.Lock()

    def __iter__(self) -> Iterator[MicroBatch]:
        """Yield micro-batches from ``consumed`` on; each counts as consumed when it is given out."""
        import torch

        source = self._made(self.consumed) if self._ahead else self._arrays(self.consumed)
        try:
            for tokens, positions, labels in source:
                self.consumed += self._stride
                inputs = {"input": torch.from_numpy(tokens), "positions": torch.from_numpy(positions)}
                yield inputs, torch.from_numpy(labels)
        finally:
            source.close()

    def state_dict(self) -> dict[str, int]:
        """Return the state: the same on every rank."""
        return {_STATE: self.consumed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where a state was taken, with any number of ranks; iterate anew after it.

        Raises:
            UserError: The state is in the middle of a step that cannot be shared so.
        """
        consumed = state[_STATE]
        if consumed % self._batch.sequences % self._stride:
            raise UserError(
                f"the state is in the middle of a step, after {consumed} sequences, which is no multiple of "
                f"{self._stride}; resume with the ranks and --micro that it was saved with"
            )
        self.consumed = consumed

    def _arrays(self, consumed: int) -> Generator[_Arrays, None, None]:
        micro, buffers = self._batch.micro, _Buffers((3, self._batch.micro, self._batch.seq_len))
        while True:
            tokens, positions, labels = buffers.take()
            first = consumed + self._rank * micro
            for row in range(micro):
                self._sequences.fill(first + row, tokens[row], labels[row], positions[row])
            yield tokens, positions, labels
            consumed += self._stride

    def _made(self, consumed: int) -> Generator[_Arrays, None, None]:
        """Yield the same arrays, made by a thread."""
        made: queue.SimpleQueue[_Arrays | BaseException] = queue.SimpleQueue()
        # One entry for each micro-batch that may still be made; False ends the thread.
        wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            try:
                # Sequences keep what they read last: two iterations must not use them at once.
                with self._reading:
                    arrays = self._arrays(consumed)
                    while wanted.get() and not stop.is_set():
                        made.put(next(arrays))
            except BaseException as error:  # noqa: BLE001 - raised again where the batches are used
                made.put(error)

        thread = threading.Thread(target=work, name="batches", daemon=True)
        thread.start()
        try:
            for _ in range(self._ahead):
                wanted.put(True)
            while True:
                item = made.get()
                if isinstance(item, BaseException):
                    raise item
                wanted.put(True)
                yield item
                del item  # or its memory would not be free for the next but one
        finally:
            stop.set()
            wanted.put(False)
            thread.join()


class _Buffers:
    """Memory of batches that nobody holds any more, for the next ones: new memory is slow to touch first."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._all: list[Ints] = []

    def take(self) -> Ints:
        """Return an array that no tensor or view outside refers to."""
        for buffer in self._all:
            # The list, the loop and the argument; every view and every tensor of it adds one.
            if sys.getrefcount(buffer) == 3:
                return buffer
        self._all.append(np.empty(self._shape, dtype=np.int64))
        return self._all[-1]
