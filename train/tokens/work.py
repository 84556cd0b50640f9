"""One piece of an input becomes one shard: what a worker process does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from opencoder.errors import DataError, OpenCoderError
from train.lifetime import end_with
from train.tokens.encoder import TOKENIZER, Encoder, open_encoder
from train.tokens.format import Shard, TokenizerId
from train.tokens.texts import Piece, read_texts
from train.tokens.write import ShardWriter, dtype_for

_COUNTS = ("read", "documents", "tokens", "bytes", "empty", "not_text")
_BATCH_TEXTS = 256
_BATCH_CHARS = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What is the same for all pieces.

    Attributes:
        out: Folder of the shards.
        tokenizer: Its folder.
        identity: What the manifest says of it.
        field: Column of text.
    """

    out: Path
    tokenizer: Path
    identity: TokenizerId
    field: str | None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A finished shard: the row that makes it count.

    Attributes:
        name: Of the shard.
        shard: For the manifest.
        counts: ``read``, ``documents``, ``tokens``, ``bytes`` (UTF-8 of what was kept), and what was dropped:
            ``empty`` and ``not_text``.
    """

    name: str
    shard: Shard
    counts: dict[str, int]


def make_shard(piece: Piece, setting: Setting, encoder: Encoder, limit: int | None = None) -> Done:
    """Tokenize a piece and write its shard.

    Args:
        piece: What is read.
        setting: How.
        encoder: Of the tokenizer.
        limit: At most so many documents are kept.

    Raises:
        DataError: An input is broken, or the tokenizer makes special tokens out of text.
        DependencyError: The disk is full.
    """
    identity = setting.identity
    counts: dict[str, int] = dict.fromkeys(_COUNTS, 0)
    special = np.zeros(identity.vocab, dtype=bool)
    special[[identity.eos, *identity.special.values()]] = True
    texts = _kept(read_texts(piece, setting.field), counts)
    writer = ShardWriter(setting.out, piece.name, dtype=dtype_for(identity.vocab), source=piece.source)
    with writer:
        for batch in _batches(texts if limit is None else islice(texts, limit)):
            for text, ids in zip(batch, encoder.encode_batch(batch), strict=True):
                tokens = np.append(ids, np.uint32(identity.eos))
                if special[tokens[:-1]].any():
                    raise _no_plain_text(setting, text)
                writer.add(tokens)
                counts["documents"] += 1
                counts["bytes"] += len(text.encode())
    counts["tokens"] = writer.tokens
    return Done(name=piece.name, shard=writer.shard, counts=counts)


def _kept(texts: Iterable[str | None], counts: dict[str, int]) -> Iterator[str]:
    for text in texts:
        counts["read"] += 1
        if text is None:
            counts["not_text"] += 1
        elif not text:
            counts["empty"] += 1
        else:
            yield text


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if len(batch) >= _BATCH_TEXTS or size >= _BATCH_CHARS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _no_plain_text(setting: Setting, text: str) -> DataError:
    return DataError(
        f"makes special tokens out of plain text, as in {text[:40]!r}; mark them as special in added_tokens",
        path=setting.tokenizer / TOKENIZER,
    )


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """An error of ours on its way out of a worker; not all of them can be pickled as they are."""

    message: str
    exit_code: int


_worker: tuple[Setting, Encoder] | None = None


def start_worker(setting: Setting, parent: int) -> None:
    """Prepare a worker process: one CPU, the tokenizer, and an end when the leader ends by whatever means."""
    global _worker  # noqa: PLW0603 - a worker has nothing else to keep it in
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the leader's to handle
    end_with(parent, signal.SIGKILL)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _worker = (setting, open_encoder(setting.tokenizer))


def run_piece(piece: Piece) -> Done | Failed:
    """Make a shard in a worker process."""
    if _worker is None:
        return Failed(message="the worker was not started", exit_code=1)
    try:
        return make_shard(piece, *_worker)
    except OpenCoderError as error:
        return Failed(message=str(error), exit_code=error.exit_code)
