"""From text to ids: what the tokenization of a corpus needs of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from, sha256_file
from opencoder.store import read_json
from train.tokens.fast import FastTokenizer
from train.tokens.format import TokenizerId

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"

_USUAL_ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>")


class Encoder(Protocol):
    """Encodes plain text.

    Text is only text: what is spelt like a special token becomes ordinary ids, and nothing is added.
    """

    def encode_batch(self, texts: Sequence[str]) -> Sequence[NDArray[np.uint32]]:
        """Return the ids of each text."""
        ...


def open_encoder(folder: Path) -> Encoder:
    """Return what encodes text with the tokenizer of a folder.

    Raises:
        DataError: ``tokenizer.json`` is missing or broken.
    """
    return FastTokenizer.open(folder)


def load_tokenizer(folder: Path) -> Any:
    """Return the ``tokenizers.Tokenizer`` of a folder.

    Raises:
        DataError: ``tokenizer.json`` is missing or broken.
    """
    import tokenizers

    path = folder / TOKENIZER
    with reading_from(path):
        text = path.read_text(encoding="utf-8")
    try:
        return tokenizers.Tokenizer.from_str(text)
    # The library raises plain exceptions.
    except Exception as error:
        raise DataError(f"not a tokenizer: {error}", path=path) from error


def identify(folder: Path) -> TokenizerId:
    """Return what token shards record of a tokenizer.

    The end-of-text token is the ``eos_token`` of ``tokenizer_config.json``; without that file, the first of
    ``<|endoftext|>``, ``<|end_of_text|>`` and ``</s>`` that there is.

    Raises:
        DataError: A file is missing or broken.
        UserError: There is no end-of-text token.
    """
    tokenizer = load_tokenizer(folder)
    ids: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    added = tokenizer.get_added_tokens_decoder()
    special = {token.content: number for number, token in added.items() if token.special}
    eos = _end_of_text(folder, ids)
    return TokenizerId(
        sha256=sha256_file(folder / TOKENIZER),
        vocab=max(ids.values()) + 1,
        eos=ids[eos],
        special={text: special[text] for text in sorted(special) if text != eos},
    )


def _end_of_text(folder: Path, ids: dict[str, int]) -> str:
    path = folder / TOKENIZER_CONFIG
    config = read_json(path, dict[str, Any]) if path.exists() else {}
    given = config.get("eos_token")
    text = given.get("content") if isinstance(given, dict) else given
    names = [text] if isinstance(text, str) else _USUAL_ENDS
    for name in names:
        if name in ids:
            return name
    raise UserError(
        f"{folder}: the tokenizer has no end-of-text token ({', '.join(names)}); set eos_token in {path.name}"
    )
