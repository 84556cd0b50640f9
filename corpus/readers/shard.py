"""A piece of an input that one worker reads at a time."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

DEFAULT_SHARD_BYTES = 64 << 20
MAX_DOCUMENT_BYTES = 8 << 20
"""The paper drops larger files, which are mostly no text (arXiv:2411.04905, section 2.1)."""


class Item(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One entry of a folder: a file, or a link or other thing that will be told as unread.

    Attributes:
        name: Path relative to the shard's root; bytes that are no UTF-8 as backslash escapes.
        commit_time: Microseconds since 1970, UTC, where git knows it.
        raw: The bytes of the path where they are no UTF-8 (JSON could not hold them as text).
    """

    name: str
    commit_time: int | None = None
    raw: bytes | None = None


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an input. The same input is always cut into the same pieces.

    Attributes:
        kind: How it is read.
        root: The folder, or the file of rows.
        name: Name of a file of rows within its source.
        items: Entries of a folder.
        first: First byte of plain JSON lines (always the start of a line), first row group (from 0) of
            Parquet; 0 for packed JSON lines, which are never cut.
        end: The one after the last; None for all that follow.
        line: Number (from 1) of the first line or row.
        prefix: Put before each id.
        repo: Name of the repository, for a folder.
        stars: Stars of it.
        license: SPDX names of its licence.
        num_bytes: Size on disk, for the progress.
        digest: Changes when the input does: names, sizes and times of its files.
    """

    kind: Literal["files", "jsonl", "parquet"]
    root: str
    name: str = ""
    items: tuple[Item, ...] = ()
    first: int = 0
    end: int | None = None
    line: int = 1
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


def digest_of(*parts: object) -> str:
    """Return a short hash of values that JSON can hold."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]
