"""Training a byte-level BPE with the ``tokenizers`` library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from opencoder.errors import UserError
from opencoder.log import logger
from train.bpe.format import SMALLEST_VOCAB, SPECIALS, VOCAB, pre_tokenizer, reserved
from train.tokens.bytelevel import without_surrogates

_log = logger.getChild("train")


def train_tokenizer(
    texts: Iterable[str], vocab_size: int = VOCAB, *, min_frequency: int = 2
) -> dict[str, Any]:
    """Train a tokenizer and return it as the content of ``tokenizer.json``.

    Ids: special tokens (``format.SPECIALS``), the 256 bytes, then merges in the order in which they were
    learned. Nothing normalises the text, so every text comes back as it was. The same texts in the same order
    give the same file. The file has exactly ``vocab_size`` ids: when the texts have no more pairs to merge,
    the rest is filled with ``<|reserved_N|>``, which no text encodes to, and a warning says so.

    Args:
        texts: What to train on; read once.
        vocab_size: Number of ids.
        min_frequency: A pair that is seen less often is not merged.

    Raises:
        UserError: The vocabulary is too small to hold the special tokens and all bytes.
    """
    check_vocab(vocab_size)
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as ByteDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizer()
    tokenizer.decoder = ByteDecoder()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in SPECIALS],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_encodable(texts), trainer=trainer)
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    _fill(content["model"]["vocab"], vocab_size)
    return content


def check_vocab(vocab_size: int) -> None:
    """Refuse a vocabulary that cannot hold the special tokens and all bytes.

    Raises:
        UserError: It is too small.
    """
    if vocab_size < SMALLEST_VOCAB:
        raise UserError(
            f"--vocab-size {vocab_size} is too small: {len(SPECIALS)} special tokens and 256 bytes make "
            f"{SMALLEST_VOCAB}"
        )


def _encodable(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield text if text.isascii() else without_surrogates(text)


def _fill(vocab: dict[str, int], vocab_size: int) -> None:
    learned = len(vocab)
    for place in range(learned, vocab_size):
        vocab[reserved(place)] = place
    if learned < vocab_size:
        _log.warning(
            "the sample has pairs for %s ids only; the last %s are reserved and never used: take a larger "
            "sample or a smaller --vocab-size",
            f"{learned:,}",
            f"{vocab_size - learned:,}",
        )
