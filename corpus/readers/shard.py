"""A piece of an input that one worker reads at a time."""

from __future__ import annotations

from typing import Literal

import msgspec

DEFAULT_SHARD_BYTES = 64 << 20
MAX_DOCUMENT_BYTES = 8 << 20
"""The paper drops larger files, which are mostly no text (arXiv:2411.04905, section 2.1)."""


class Item(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One file of a folder.

    Attributes:
        name: Path relative to the shard's root, in the bytes of the system: names need not be UTF-8.
        commit_time: Microseconds since 1970, UTC, where git knows it.
    """

    name: bytes
    commit_time: int | None = None


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an input. The same input is always cut into the same pieces.

    Attributes:
        kind: How it is read.
        root: The folder, or the file of rows.
        items: Files of a folder, in the order of their names.
        first: Where it begins: a byte of a plain JSON lines file, at the start of a line, or a row group
            (from 0) of a Parquet file. Packed JSON lines are one shard.
        end: The byte or row group after the last; None for all that follow.
        before: Lines or rows of the file that lie before the shard.
        label: What rows without a name are called after: the file as seen from the source.
        prefix: Put before each id.
        repo: Name of the repository, for a folder.
        stars: Stars of it.
        license: SPDX names of its licence.
        num_bytes: Size on disk, for the progress.
        digest: Changes when the input does: names, sizes and times of its files.
    """

    kind: Literal["files", "jsonl", "parquet"]
    root: str
    items: tuple[Item, ...] = ()
    first: int = 0
    end: int | None = None
    before: int = 0
    label: str = ""
    prefix: str = ""
    repo: str | None = None
    stars: int | None = None
    license: str | None = None
    num_bytes: int
    digest: str


class InputPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All pieces of all inputs, and the files that cannot be read.

    Attributes:
        bad: Reason by file.
    """

    shards: tuple[Shard, ...]
    bad: dict[str, str]
