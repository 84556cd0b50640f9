"""Fill-in-the-middle: documents cut in three and put together so that the middle comes last.

Bavarian et al. 2022 (arXiv 2207.14255). The two forms, each followed by the document's end-of-text token:

- PSM: ``<|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|> middle``
- SPM: ``<|fim_prefix|> <|fim_suffix|> suffix <|fim_middle|> prefix middle`` (the paper's joint form)

Cuts are between tokens, not between characters: the corpus is tokenised once, and every token of it is kept
exactly once. The paper prefers cuts between characters where a model is asked to fill in from within a token;
whoever needs that ends the prompt at a token's border.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from opencoder.errors import UserError
from train.sequences import Ints
from train.stream.segments import LITERAL
from train.stream.shuffle import Words, hashed, key_of
from train.tokens.read import Places

PREFIX, MIDDLE, SUFFIX = "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"
ADDED = 3
"""Tokens that a transformed document gains."""

# Where prefix, suffix and middle stand among the six parts of a form, and where the tokens before them.
_PSM = ((1, 3, 5), (0, 2, 4))
_SPM = ((4, 2, 5), (0, 1, 3))
_SHARE_BITS = 24
_HALF = np.uint64(32)


class FillInMiddle:
    """Which documents are transformed, and how; a function of seed, epoch and document.

    Documents are chosen by their place in the shuffled order of the epoch, evenly: of the first ``n`` places
    ``floor(n * rate)`` are, so every epoch is of the same length.

    Args:
        rate: Share of the documents, 0 to 1 (kept to 24 bits).
        spm_rate: Share of those in SPM form.
        special: Ids by text, from the manifest of the shards.
        key: 64 bits of randomness.

    Raises:
        UserError: A rate is out of range, or a token is missing.
    """

    def __init__(self, *, rate: float, spm_rate: float, special: Mapping[str, int], key: int) -> None:
        for name, value in (("fim_rate", rate), ("spm_rate", spm_rate)):
            if not 0 <= value <= 1:
                raise UserError(f"{name}={value} is no share; give 0 to 1")
        missing = [name for name in (PREFIX, MIDDLE, SUFFIX) if name not in special]
        if missing:
            raise UserError(
                f"fim_rate={rate} needs special tokens that the tokenizer of the shards lacks: "
                f"{', '.join(missing)}; tokenize with one that has them, or set fim_rate to 0"
            )
        self._prefix, self._middle, self._suffix = (special[name] for name in (PREFIX, MIDDLE, SUFFIX))
        self._rate = round(rate * (1 << _SHARE_BITS))
        self._spm = np.uint64(round(spm_rate * (1 << 32)))
        self._key = key

    def before(self, places: Ints) -> Ints:
        """Return how many documents are transformed before each place of the shuffled order."""
        return (places * self._rate) >> _SHARE_BITS

    def parts(self, epoch: int, documents: Ints, picked: Ints, plain: Places) -> Places:
        """Return the parts of documents in the order in which they are read, some of them transformed.

        Args:
            epoch: Number of the epoch.
            documents: Their numbers, ``(n,)``.
            picked: Which of them are transformed: places in ``documents``.
            plain: Where they lie, ``(n,)``; each of one token or more.
        """
        # Each document has 7 parts; one that stays as it is has its own and 6 empty ones.
        shape = (documents.size, 7)
        shard = np.repeat(plain.shard, 7).reshape(shape)
        start = np.repeat(plain.start, 7).reshape(shape)
        length = np.zeros(shape, dtype=np.int64)
        length[:, 0] = plain.length
        body = plain.length[picked] - 1
        low, high, spm = self._cuts(epoch, documents[picked], body)
        begins = plain.start[picked]
        prefix, suffix, middle = (begins, low), (begins + high, body - high), (begins + low, high - low)
        texts, tokens = (prefix, suffix, middle), (self._prefix, self._suffix, self._middle)
        for rows, (text_columns, token_columns) in ((~spm, _PSM), (spm, _SPM)):
            at = picked[rows]
            for column, token in zip(token_columns, tokens, strict=True):
                shard[at, column], start[at, column], length[at, column] = LITERAL, token, 1
            for column, (begin, size) in zip(text_columns, texts, strict=True):
                start[at, column], length[at, column] = begin[rows], size[rows]
        start[picked, 6], length[picked, 6] = begins + body, 1
        full = np.flatnonzero(length.ravel())
        return Places(shard.ravel()[full], start.ravel()[full], length.ravel()[full])

    def _cuts(self, epoch: int, documents: Ints, body: Ints) -> tuple[Ints, Ints, NDArray[np.bool]]:
        """Return two cuts of each body, sorted, and whether it is in SPM form."""
        words = hashed(documents, key_of(self._key, epoch))
        forms = hashed(documents, key_of(self._key, epoch, "form")) >> _HALF
        one, other = _below(words >> _HALF, body + 1), _below(words & np.uint64((1 << 32) - 1), body + 1)
        return np.minimum(one, other), np.maximum(one, other), forms < self._spm


def _below(words: Words, limits: Ints) -> Ints:
    """Return a number below each limit (up to 2**31) from 32 random bits."""
    return ((words * limits.astype(np.uint64)) >> _HALF).astype(np.int64)
