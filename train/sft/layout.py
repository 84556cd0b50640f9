"""Dialogues laid into sequences of one length: what packing and padding have in common.

Every dialogue takes one position for each of its tokens, at most ``seq_len``; a longer one loses its end. The
last position of a dialogue has no label, as its next token is another dialogue's or was cut off, which is how
a trainer that shifts labels inside the model sees a truncated example too. The rest of a sequence is padding:
its positions start at 0 again, so it is a document of its own that nothing attends to.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from train.sequences import IGNORE, Ints
from train.stream.shuffle import Permutation, key_of


class Dialogues(Protocol):
    """Numbered dialogues.

    Attributes:
        lengths: Tokens of each.
        pad: Id that fills a sequence up.
    """

    lengths: Ints
    pad: int

    def read(self, number: int, length: int) -> tuple[NDArray[np.integer], NDArray[np.uint8]]:
        """Return the first so many tokens of a dialogue, and their mask."""
        ...


class Laid:
    """Sequences of whole dialogues (see :class:`train.sequences.Sequences`).

    Args:
        dialogues: What is laid out.
        seq_len: Tokens of one sequence.
        starts: ``(sequences + 1,)``: where each sequence of an epoch starts in ``members``.
        members: The dialogues of all sequences of an epoch, in order.
        key: 64 bits that the order of the sequences follows from, another one in each epoch.
    """

    def __init__(self, dialogues: Dialogues, seq_len: int, starts: Ints, members: Ints, key: int) -> None:
        self.seq_len = seq_len
        self._dialogues = dialogues
        self._starts = starts
        self._members = members
        self._key = key
        self._order: tuple[int, Ints] = (-1, starts[:0])

    @property
    def per_epoch(self) -> float:
        """Sequences of one pass over the dialogues."""
        return len(self._starts) - 1

    @property
    def efficiency(self) -> float:
        """Share of the positions that hold a token of a dialogue."""
        held = np.minimum(self._dialogues.lengths, self.seq_len).sum()
        return float(held) / (self.per_epoch * self.seq_len)

    def members(self, index: int) -> Ints:
        """Return the numbers of the dialogues in a sequence, in order."""
        num = len(self._starts) - 1
        epoch, place = divmod(index, num)
        held = self._order
        if held[0] != epoch:
            # Whole, as it is small beside the tokens, and asking for one place at a time is slow. Replaced in
            # one go: counting and reading may be two threads.
            shuffle = Permutation(num, key_of(self._key, "epoch", epoch))
            held = self._order = (epoch, shuffle(np.arange(num)))
        sequence = held[1][place]
        return self._members[self._starts[sequence] : self._starts[sequence + 1]]

    def fill(self, index: int, tokens: Ints, labels: Ints, positions: Ints) -> None:
        """Write a sequence."""
        at = 0
        for number in self.members(index):
            found, mask = self._read(int(number))
            end = at + len(found)
            tokens[at:end] = found
            labels[at : end - 1] = np.where(mask[1:], tokens[at + 1 : end], IGNORE)
            labels[end - 1] = IGNORE
            positions[at:end] = np.arange(len(found))
            at = end
        tokens[at:] = self._dialogues.pad
        labels[at:] = IGNORE
        positions[at:] = np.arange(self.seq_len - at)

    def counts(self, first: int, last: int) -> dict[str, int]:
        """Return what some sequences hold.

        Returns:
            ``dialogues``; ``tokens`` of them (those cut off left out), of which ``trained`` are labels and
            ``masked`` are not; ``padding``; ``truncated_dialogues`` and the ``truncated_tokens`` they lost.
        """
        chosen = [number for index in range(first, last) for number in self.members(index).tolist()]
        lengths = self._dialogues.lengths[np.array(chosen, dtype=np.int64)]
        lost = np.maximum(lengths - self.seq_len, 0)
        tokens = int((lengths - lost).sum())
        trained = sum(int(self._read(number)[1][1:].sum()) for number in chosen)
        return {
            "dialogues": len(chosen),
            "tokens": tokens,
            "trained": trained,
            "masked": tokens - trained,
            "padding": (last - first) * self.seq_len - tokens,
            "truncated_dialogues": int((lost > 0).sum()),
            "truncated_tokens": int(lost.sum()),
        }

    def _read(self, number: int) -> tuple[NDArray[np.integer], NDArray[np.uint8]]:
        return self._dialogues.read(number, min(int(self._dialogues.lengths[number]), self.seq_len))
