"""The tokenizer that goes with a model: its files, its special ids, and whether it is the right one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from opencoder.log import logger
from opencoder.store import read_json
from train.shape import Shape
from train.tokens.format import SHARDS, Manifest
from train.tokens.read import check_tokenizer

TOKENIZER = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
FILES = (
    TOKENIZER,
    SETTINGS,
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)
"""What is copied, where it is there."""
CHAT_END = "<|im_end|>"
"""Ends every turn of the chat template (OpenCoder-Instruct has it as its end token)."""
_MUCH_PADDING = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Ids:
    """Special ids of a tokenizer; None where it has no such token.

    Attributes:
        vocab: Ids run from 0 to here, this one excluded.
        bos: Start of text.
        eos: End of text.
        pad: Padding.
        chat_end: End of a turn.
    """

    vocab: int
    bos: int | None
    eos: int | None
    pad: int | None
    chat_end: int | None

    @property
    def ends(self) -> list[int]:
        """Every id that ends an answer."""
        return list(dict.fromkeys(token for token in (self.eos, self.chat_end) if token is not None))


def read_ids(folder: Path) -> Ids:
    """Read a tokenizer folder.

    Raises:
        DataError: A file is missing or broken.
    """
    from tokenizers import Tokenizer

    path = folder / TOKENIZER
    with reading_from(path):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises plain exceptions of no other kind
        raise DataError(f"no tokenizer ({error})", path=path) from error
    path = folder / SETTINGS
    settings = read_json(path, dict[str, Any]) if path.is_file() else {}

    def number(name: str) -> int | None:
        token = settings.get(name)
        if isinstance(token, dict):
            token = token.get("content")
        if token is None:
            return None
        found: int | None = tokenizer.token_to_id(token)
        if found is None:
            raise DataError(f"{name} {token!r} is not in {TOKENIZER}", path=path)
        return found

    return Ids(
        # Ids may have gaps, so the number of tokens says less than the highest id.
        vocab=1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1),
        bos=number("bos_token"),
        eos=number("eos_token"),
        pad=number("pad_token"),
        chat_end=tokenizer.token_to_id(CHAT_END),
    )


def check_fits(folder: Path, ids: Ids, shape: Shape) -> None:
    """Hold a tokenizer against the rows of an embedding.

    Raises:
        UserError: It has ids that the model has no row for.
    """
    if ids.vocab > shape.vocab:
        raise UserError(
            f"the tokenizer {folder} has ids up to {ids.vocab - 1}, the model has {shape.vocab} rows for "
            "them; give the one that it was trained with (--tokenizer)"
        )
    if shape.vocab - ids.vocab > _MUCH_PADDING:
        logger.warning("%s rows of the model belong to no token of %s", shape.vocab - ids.vocab, folder)


def check_trained(folder: Path, sources: Iterable[Path]) -> None:
    """Hold a tokenizer against the token shards that a model was trained on, where they are at hand.

    Raises:
        UserError: They were made by another one.
        DataError: A manifest is broken.
    """
    for source in sources:
        if (source / SHARDS).is_file():
            check_tokenizer(source, read_json(source / SHARDS, Manifest), folder)
