"""One dialogue per sequence, padded on the right and truncated: the training of the paper.

Source: ``sft/tools/finetune.py`` of OpenCoder-llm/OpenCoder-llm, which packs nothing and drops nothing.
"""

from __future__ import annotations

import numpy as np

from train.sft.layout import Dialogues, Laid


class Padded(Laid):
    """One dialogue in each sequence of ``seq_len`` tokens."""

    def __init__(self, dialogues: Dialogues, seq_len: int, key: int) -> None:
        each = np.arange(len(dialogues.lengths) + 1, dtype=np.int64)
        super().__init__(dialogues, seq_len, each, each[:-1], key)
