"""Opening the shards of dialogues that a run trains on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opencoder.errors import DataError, UserError
from train.sequences import Sequences
from train.sft.layout import Laid
from train.sft.packed import Packed
from train.sft.padded import Padded
from train.spec import Data
from train.stream.mixture import mixed
from train.stream.shuffle import key_of
from train.tokens.read import TokenShards

_PAD = "<pad>"


def open_dialogues(data: Data, seq_len: int, vocab: int | None = None) -> Sequences:
    """Open the dialogues of a run as sequences.

    Several folders are mixed by their weights, sequence by sequence (see ``train.stream.mixture``).

    Args:
        data: What is read; of the form ``packed`` or ``padded``.
        seq_len: Tokens of a sequence.
        vocab: Rows of the model's embedding, to be checked.

    Raises:
        DataError: A folder holds no shards of dialogues, or none at all.
        UserError: The form is another one, the folders differ in tokenizer or template, the model has fewer
            rows than the tokenizer has ids, or the settings ask for what dialogues do not have:
            fill-in-the-middle, or attention over their borders.
    """
    if data.form not in ("packed", "padded"):
        raise UserError(f"data.form={data.form} is not for dialogues; use packed or padded")
    if data.fim_rate or not data.document_mask:
        raise UserError("dialogues keep to themselves: set data.fim_rate=0 and data.document_mask=true")
    if not data.sources:
        raise UserError("data.sources is empty; give a folder of `opencoder train tokenize-chat`")
    opened = [ShardDialogues(Path(source.folder)) for source in data.sources]
    _check(opened, vocab)
    lay = Packed if data.form == "packed" else Padded
    sources: list[Laid] = [
        lay(one, seq_len, key_of(data.seed, "dialogues", number)) for number, one in enumerate(opened)
    ]
    return mixed(sources, data)


class ShardDialogues:
    """The dialogues of a folder of token shards (see :class:`train.sft.layout.Dialogues`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards = TokenShards(folder)
        self.manifest = manifest = self._shards.manifest
        if manifest.kind != "dialogues":
            raise DataError(
                "holds documents, not dialogues; use `opencoder train tokenize-chat`", path=folder
            )
        if not self._shards.documents:
            raise DataError("holds no dialogues at all; see its rejects.jsonl", path=folder)
        self.lengths = self._shards.locate(np.arange(self._shards.documents))[2]
        self.pad = manifest.tokenizer.special.get(_PAD, manifest.tokenizer.eos)

    def read(self, number: int, length: int) -> tuple[NDArray[np.integer], NDArray[np.uint8]]:
        """Return the first so many tokens of a dialogue, and their mask."""
        return self._shards.document(number)[:length], self._shards.mask(number)[:length]


def _check(opened: list[ShardDialogues], vocab: int | None) -> None:
    first = opened[0]
    ids = first.manifest.tokenizer.vocab
    if vocab is not None and ids > vocab:
        raise UserError(
            f"{first.folder}: the tokenizer has {ids} ids, the model {vocab} rows; use the tokenizer of the "
            "model, or a shape with more rows"
        )
    for other in opened[1:]:
        if other.manifest.tokenizer.sha256 != first.manifest.tokenizer.sha256:
            raise UserError(
                f"{other.folder} was made with another tokenizer than {first.folder}; tokenise again"
            )
        if other.manifest.template != first.manifest.template:
            raise UserError(
                f"{other.folder} is of the form {other.manifest.template}, {first.folder} of "
                f"{first.manifest.template}; tokenise one of them again"
            )
