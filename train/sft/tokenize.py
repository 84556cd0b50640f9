"""Instruction data, tokenised once into shards of dialogues; every row is in them or among the rejects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from opencoder.errors import DataError
from opencoder.files import make_folder, writing_to
from opencoder.log import Progress, progress
from opencoder.records import Message
from opencoder.store import JsonlAppender, read_json
from train.sft.encode import ChatEncoder, Encoded
from train.sft.rows import NoDialogueError, read_rows, row_files, to_dialogue
from train.sft.template import Form, segments
from train.tokens.format import SHARDS, Manifest, Shard
from train.tokens.write import ShardWriter, dtype_for, write_manifest

REJECTS = "rejects.jsonl"
"""One line for each row in no shard: ``file``, ``line`` (in Parquet the number of the row), ``reason``."""

_BATCH = 1024


class ChatPlan(NamedTuple):
    """What is to be tokenised.

    Attributes:
        inputs: Files and folders.
        out: Folder of the shards.
        tokenizer: Folder with ``tokenizer.json``.
        form: How an answer ends.
        max_length: Tokens of a dialogue that are kept, from its start; None for all.
        limit: Rows that are read at most; None for all.
    """

    inputs: Sequence[Path]
    out: Path
    tokenizer: Path
    form: Form = "template"
    max_length: int | None = None
    limit: int | None = None


def tokenize_chats(plan: ChatPlan) -> Manifest:
    """Write the shards of all inputs, one for each file, and their manifest.

    Returns:
        The manifest. Its counts: ``read`` = ``dialogues`` + ``dropped``, and ``dropped_REASON`` for each
        reason; ``tokens`` = ``trained`` + ``masked``; ``over_long`` dialogues, which lost
        ``truncated_tokens``, and those ``without_target``, of which nothing that is trained is left.

    Raises:
        DataError: An input, or the tokenizer, cannot be read, or the folder holds other shards.
        UserError: The folder cannot be written.
        DependencyError: The disk is full.
    """
    encoder = ChatEncoder(plan.tokenizer)
    files = [file for path in plan.inputs for file in row_files(path)]
    _clear(plan.out)
    counts: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
    shards: list[Shard] = []
    with JsonlAppender(plan.out / REJECTS) as rejects, progress("tokenizing files", len(files)) as shown:
        reader = _Reader(plan, counts, rejects, shown)
        dtype = dtype_for(encoder.identity.vocab)
        for number, file in enumerate(files):
            name = f"dialogues-{number:05}"
            with ShardWriter(plan.out, name, dtype=dtype, source=file.name, masked=True) as writer:
                for batch in _batches(reader.dialogues(file), _BATCH):
                    for found in encoder.encode([segments(one, plan.form) for one in batch]):
                        kept = _cut(found, plan.max_length, counts)
                        writer.add(kept.tokens, kept.mask)
            shards.append(writer.shard)
            shown.advance()
    manifest = Manifest(
        kind="dialogues",
        dtype=dtype,
        tokenizer=encoder.identity,
        template=plan.form,
        shards=shards,
        counts=dict(counts),
    )
    write_manifest(plan.out, manifest)
    return manifest


_COUNTED = (
    "read",
    "dialogues",
    "dropped",
    "tokens",
    "trained",
    "masked",
    "over_long",
    "truncated_tokens",
    "without_target",
)


class _Reader:
    """Reads the rows of one file after the other, and keeps account of them."""

    def __init__(self, plan: ChatPlan, counts: Counter[str], rejects: JsonlAppender, shown: Progress) -> None:
        self._plan = plan
        self._counts = counts
        self._rejects = rejects
        self._shown = shown

    def dialogues(self, file: Path) -> Iterator[list[Message]]:
        """Yield the dialogues of a file; other rows go to the rejects."""
        limit = self._plan.limit
        left = None if limit is None else limit - self._counts["read"]
        for line, row in islice(read_rows(file), left):
            self._counts["read"] += 1
            self._shown.note = f"{self._counts['read']:,} rows"
            try:
                turns = to_dialogue(row)
                if self._plan.form == "paper" and [turn.role for turn in turns] != ["user", "assistant"]:
                    raise NoDialogueError("not_single_turn")
            except NoDialogueError as error:
                self._counts["dropped"] += 1
                self._counts[f"dropped_{error.reason}"] += 1
                self._rejects.append({"file": str(file), "line": line, "reason": error.reason})
                continue
            self._counts["dialogues"] += 1
            yield turns


def _cut(found: Encoded, max_length: int | None, counts: Counter[str]) -> Encoded:
    kept = Encoded(found.tokens[:max_length], found.mask[:max_length])
    lost = len(found.tokens) - len(kept.tokens)
    trained = int(np.count_nonzero(kept.mask))
    counts["over_long"] += lost > 0
    counts["truncated_tokens"] += lost
    counts["without_target"] += trained == 0
    counts["tokens"] += len(kept.tokens)
    counts["trained"] += trained
    counts["masked"] += len(kept.tokens) - trained
    return kept


def _clear(out: Path) -> None:
    """Make the folder ready; without a manifest it is not whole, so an earlier one goes first.

    Raises:
        DataError: The shards that are there hold no dialogues.
    """
    make_folder(out)
    if (out / SHARDS).exists() and read_json(out / SHARDS, Manifest).kind != "dialogues":
        raise DataError("holds shards of documents; choose another folder with -o", path=out)
    with writing_to(out):
        (out / SHARDS).unlink(missing_ok=True)
        (out / REJECTS).unlink(missing_ok=True)
        for old in out.glob("dialogues-*.*"):
            old.unlink()


def _batches(dialogues: Iterable[list[Message]], size: int) -> Iterator[list[list[Message]]]:
    rest = iter(dialogues)
    while batch := list(islice(rest, size)):
        yield batch
