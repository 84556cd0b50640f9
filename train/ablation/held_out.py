"""Rows that no training set holds, as tokens, and the loss of a model on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from train.ablation.plan import HeldKind
from train.builtin.library import functions, held_out
from train.builtin.rows import Row as Written
from train.builtin.rows import builtin_rows
from train.export.plain import plain_model
from train.model.measure import Row, row_losses
from train.sft.encode import ChatEncoder
from train.sft.rows import to_dialogue
from train.tokens.encoder import identify, load_tokenizer, open_encoder

LIMIT = 200
"""Rows of a kind at most, spread evenly over all."""


class Held(NamedTuple):
    """Held-out rows of one kind.

    Attributes:
        rows: Their tokens.
        groups: The function that each is about; rows about one function are no independent samples.
        num_bytes: UTF-8 bytes of what counts.
    """

    rows: list[Row]
    groups: list[str]
    num_bytes: int


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """The loss of one model on the held-out rows of one kind.

    Attributes:
        groups: As in :class:`Held`.
        nats: Of each row, summed over its tokens.
        tokens: Of each row that count; of a dialogue those of the answer, its end token included.
        num_bytes: UTF-8 bytes of all that counts; special tokens have none.
    """

    groups: list[str]
    nats: list[float]
    tokens: list[int]
    num_bytes: int

    @property
    def per_token(self) -> float:
        """Nats per token."""
        return sum(self.nats) / sum(self.tokens)

    @property
    def per_byte(self) -> float:
        """Bits per byte."""
        return sum(self.nats) / float(np.log(2)) / self.num_bytes


def open_held_out(
    kinds: Sequence[HeldKind], tokenizer: Path, seq_len: int, limit: int = LIMIT
) -> dict[HeldKind, Held]:
    """Tokenise the held-out rows of some kinds.

    Args:
        kinds: Which.
        tokenizer: Folder with ``tokenizer.json``.
        seq_len: Tokens of a row that are kept, from its start: what a model was trained to look back on.
        limit: Rows of each kind at most.

    Raises:
        DataError: The tokenizer cannot be read.
        UserError: The interpreter has no sources.
    """
    return {kind: _open(kind, tokenizer, seq_len, limit) for kind in kinds}


def held_out_loss(given: Path, held: dict[HeldKind, Held]) -> dict[HeldKind, Loss]:
    """Return the losses of a model.

    Args:
        given: A run folder, a ``step-N`` folder in one, or a Hugging Face folder.
        held: Rows, tokenised by the model's tokenizer.

    Raises:
        UserError: There is no such model.
        DataError: A file of it is missing or damaged.
    """
    model = plain_model(given).model
    return {
        kind: Loss(
            groups=one.groups,
            nats=row_losses(model, one.rows),
            tokens=[row.scored for row in one.rows],
            num_bytes=one.num_bytes,
        )
        for kind, one in held.items()
    }


def _open(kind: HeldKind, tokenizer: Path, seq_len: int, limit: int) -> Held:
    written = list(_written(kind))
    if len(written) > limit:
        written = [written[at * len(written) // limit] for at in range(limit)]
    encode = _dialogues if "messages" in written[0] else _texts
    rows = [
        (Row(row.tokens[:seq_len], row.mask[:seq_len]), str(one["id"]).partition("#")[0])
        for row, one in zip(encode(written, tokenizer), written, strict=True)
    ]
    kept = [(row, group) for row, group in rows if row.scored]
    library = load_tokenizer(tokenizer)
    said = library.decode_batch([row.tokens[1:][row.mask[1:] != 0].tolist() for row, _ in kept])
    return Held(
        rows=[row for row, _ in kept],
        groups=[group for _, group in kept],
        num_bytes=sum(len(text.encode()) for text in said),
    )


def _written(kind: HeldKind) -> Iterator[Written]:
    if kind != "code":
        yield from builtin_rows(kind, held=True)
        return
    for found in functions():
        if held_out(found.name):
            name = ".".join(filter(None, (found.module, found.owner, found.name)))
            yield {"id": name, "text": f"{found.source}\n"}


def _texts(written: Sequence[Written], tokenizer: Path) -> list[Row]:
    """Encode as token shards do: plain text, and the end-of-text token behind it."""
    eos = identify(tokenizer).eos
    found = open_encoder(tokenizer).encode_batch([one["text"] for one in written])
    return [Row(np.append(ids, eos), np.ones(len(ids) + 1, dtype=np.uint8)) for ids in found]


def _dialogues(written: Sequence[Written], tokenizer: Path) -> list[Row]:
    encoder = ChatEncoder(tokenizer)
    return [Row(*encoder.dialogue(to_dialogue(one))) for one in written]
