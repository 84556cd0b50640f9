"""Whole dialogues packed into sequences: little padding, and no dialogue is cut that fits into a sequence."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from train.sequences import Ints
from train.sft.layout import Dialogues, Laid
from train.stream.shuffle import Permutation, key_of

_WINDOW = 8192


class Packed(Laid):
    """Dialogues packed into sequences of ``seq_len`` tokens.

    The packing is the same in each epoch, for attention ends at the dialogue and a dialogue does not see its
    neighbours; the order of the sequences is another one.
    """

    def __init__(self, dialogues: Dialogues, seq_len: int, key: int) -> None:
        starts, members = pack(dialogues.lengths, seq_len, key)
        super().__init__(dialogues, seq_len, starts, members, key)


def pack(lengths: Ints, seq_len: int, key: int, window: int = _WINDOW) -> tuple[Ints, Ints]:
    """Pack by best fit decreasing, in windows of a shuffled list.

    The windows keep the packing linear in time, and mix dialogues that are neighbours in a file.

    Args:
        lengths: Tokens of each dialogue; one longer than ``seq_len`` fills a sequence alone.
        seq_len: Tokens of a sequence.
        key: 64 bits that the shuffle follows from.
        window: Dialogues that are packed together.

    Returns:
        Where each sequence starts in the list of members (one more than there are sequences), and that list:
        every dialogue once.
    """
    order = Permutation(len(lengths), key_of(key, "packing"))(np.arange(len(lengths)))
    sizes = np.minimum(lengths, seq_len)[order]
    bins: list[list[int]] = []
    for first in range(0, len(order), window):
        held = sizes[first : first + window]
        descending = np.argsort(-held, kind="stable")
        numbers = order[first : first + window][descending].tolist()
        bins += _best_fit(numbers, held[descending].tolist(), seq_len)
    starts = np.cumsum([0, *map(len, bins)], dtype=np.int64)
    members = np.array([number for one in bins for number in one], dtype=np.int64)
    return starts, members


def _best_fit(numbers: list[int], sizes: list[int], seq_len: int) -> list[list[int]]:
    """Put each size into the fullest bin that still takes it."""
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # what is left in a bin, and its number; sorted
    for number, size in zip(numbers, sizes, strict=True):
        at = bisect_left(rooms, (size, -1))
        if at < len(rooms):
            room, chosen = rooms.pop(at)
            bins[chosen].append(number)
        else:
            room, chosen = seq_len, len(bins)
            bins.append([number])
        if room > size:
            insort(rooms, (room - size, chosen))
    return bins
