"""Token shards of given documents."""

from collections.abc import Sequence
from pathlib import Path

from train.tokens.format import Manifest, TokenizerId
from train.tokens.read import TokenShards
from train.tokens.write import ShardWriter, write_manifest

SPECIAL = {"<|fim_prefix|>": 60_001, "<|fim_middle|>": 60_002, "<|fim_suffix|>": 60_003}
EOS = 60_000


def write_shards(
    folder: Path, shards: Sequence[Sequence[Sequence[int]]], *, sha256: str = "0" * 64
) -> TokenShards:
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, documents in enumerate(shards):
        with ShardWriter(folder, f"s{number}", dtype="uint16", source="in") as writer:
            for document in documents:
                writer.add(document)
        made.append(writer.shard)
    identity = TokenizerId(sha256=sha256, vocab=60_004, eos=EOS, special=SPECIAL)
    write_manifest(folder, Manifest(kind="documents", dtype="uint16", tokenizer=identity, shards=made))
    return TokenShards(folder)


def numbered(lengths: Sequence[int], first: int = 0) -> list[list[int]]:
    """Documents of these lengths, in which no token but the end occurs twice."""
    documents = []
    for length in lengths:
        documents.append([*range(first, first + length - 1), EOS])
        first += length - 1
    return documents
