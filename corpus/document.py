"""The record that flows through a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One file of a corpus.

    Attributes:
        id: Unique within a corpus.
        content: Its bytes; text of JSON lines and Parquet as UTF-8.
        path: Path within its repository.
        repo: Name of its repository.
        stars: Stars of the repository.
        commit_time: Microseconds since 1970, UTC.
        license: SPDX names of its licence, joined by ` AND `.
        file: The file it was read from.
        line: Line or row (1-based) there.
    """

    id: str
    content: bytes
    path: str | None = None
    repo: str | None = None
    stars: int | None = None
    commit_time: int | None = None
    license: str | None = None
    file: Path
    line: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unread:
    """Something in an input that is no document: counted as read and as rejected.

    Attributes:
        id: As that of a document.
        reason: One word: ``size``, ``row``, ``link``, ``notebook`` ...
        detail: One line for people: what is wrong and where.
        num_bytes: Its size.
        path: Path within its repository.
        repo: Name of its repository.
    """

    id: str
    reason: str
    detail: str
    num_bytes: int
    path: str | None = None
    repo: str | None = None
