"""The files of a folder of token shards.

::

    shards.json     what is there (:class:`Manifest`), written last: a folder without it is not whole
    NAME.tokens     the tokens of all documents end to end, little-endian uint16 or uint32
    NAME.ends       int64, one for each document: where it ends in NAME.tokens, in tokens
    NAME.mask       dialogues only: uint8, one for each token: 1 where the model is trained to write it

Every document ends with the end-of-text token, every dialogue with what its template ends with. A token's
mask says whether that token is a target: the label of the position before it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SHARDS = "shards.json"
SCHEMA = "tokens/1"


class TokenizerId(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tokenizer made the tokens.

    Attributes:
        sha256: Of the bytes of ``tokenizer.json``.
        vocab: Ids run from 0 to here, this one excluded.
        eos: Id of the end-of-text token.
        special: Ids of other special tokens by their text (fill-in-the-middle, chat).
    """

    sha256: str
    vocab: int
    eos: int
    special: dict[str, int] = {}


class Shard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shard.

    Attributes:
        name: Of its files, without the ending.
        tokens: Tokens in it.
        documents: Documents or dialogues in it.
        source: The file that it was made from, relative to the input.
        crc32: Of its files by ending (``zlib.crc32``).
    """

    name: str
    tokens: int
    documents: int
    source: str
    crc32: dict[str, int]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All shards of a folder.

    Attributes:
        schema: Version of the format.
        kind: What a document is.
        dtype: Format of one token.
        tokenizer: Which tokenizer made them.
        template: Dialogues only: name of the chat form (``template`` or ``paper``).
        shards: In the order that counts.
        counts: What was read, dropped, truncated and masked, by reason.
    """

    schema: str = SCHEMA
    kind: Literal["documents", "dialogues"]
    dtype: Literal["uint16", "uint32"]
    tokenizer: TokenizerId
    template: str = ""
    shards: list[Shard]
    counts: dict[str, int] = {}

    @property
    def tokens(self) -> int:
        """Tokens of all shards."""
        return sum(shard.tokens for shard in self.shards)

    @property
    def documents(self) -> int:
        """Documents of all shards."""
        return sum(shard.documents for shard in self.shards)
