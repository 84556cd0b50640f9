"""From a run's data to its sequences."""

from __future__ import annotations

from pathlib import Path

from opencoder.errors import UserError
from train.sequences import Sequences
from train.spec import Data, Source
from train.stream.documents import DocumentStream
from train.stream.fim import FillInMiddle
from train.stream.mixture import mixed
from train.stream.shuffle import key_of
from train.tokens.read import TokenShards


def open_stream(data: Data, *, seq_len: int, vocab: int) -> Sequences:
    """Open sources of documents in the form ``stream``: one source, or a mixture of several.

    Args:
        data: What is read; ``form`` is the caller's business.
        seq_len: Tokens of a sequence.
        vocab: Rows of the model's embedding.

    Raises:
        DataError: Shards are missing, cut or empty.
        UserError: There is no source, sources are of different tokenizers or hold dialogues, the model has
            fewer rows than the tokenizer has ids, or special tokens are missing.
    """
    shards = [_open(source, vocab) for source in data.sources]
    if not shards:
        raise UserError("data: no sources; name at least one folder of token shards")
    for other in shards[1:]:
        if other.manifest.tokenizer.sha256 != shards[0].manifest.tokenizer.sha256:
            raise UserError(
                f"{shards[0].folder} and {other.folder} are of different tokenizers; tokenize one again"
            )
    streams = [
        _stream(part, data, seq_len, key_of(data.seed, "source", number))
        for number, part in enumerate(shards)
    ]
    return mixed(streams, data)


def _open(source: Source, vocab: int) -> TokenShards:
    shards = TokenShards(Path(source.folder))
    manifest = shards.manifest
    if manifest.kind != "documents":
        raise UserError(
            f"{source.folder} holds {manifest.kind}, which no stream is cut from; use packed or padded"
        )
    if manifest.tokenizer.vocab > vocab:
        raise UserError(
            f"{source.folder}: the tokenizer has {manifest.tokenizer.vocab} ids, the model {vocab} rows; use "
            "the tokenizer of the model, or a shape with more rows"
        )
    return shards


def _stream(shards: TokenShards, data: Data, seq_len: int, key: int) -> DocumentStream:
    fim = None
    if data.fim_rate:
        special = shards.manifest.tokenizer.special
        fim = FillInMiddle(
            rate=data.fim_rate, spm_rate=data.spm_rate, special=special, key=key_of(key, "fim")
        )
    return DocumentStream(shards, seq_len=seq_len, key=key, document_mask=data.document_mask, fim=fim)
