"""From a spec's data section to numbered sequences."""

from __future__ import annotations

from train.sequences import Sequences
from train.sft.open import open_dialogues
from train.spec import Data
from train.stream.open import open_stream


def open_sequences(data: Data, seq_len: int, vocab: int) -> Sequences:
    """Open the sequences that a run trains on.

    Args:
        data: Which shards, and how they are cut.
        seq_len: Tokens of one sequence.
        vocab: Rows of the model's embedding; no token may lie beyond.

    Raises:
        UserError: The shards do not fit together or to the model.
        DataError: A shard is missing or damaged.
    """
    if data.form == "stream":
        return open_stream(data, seq_len=seq_len, vocab=vocab)
    return open_dialogues(data, seq_len, vocab)
