"""Rows of rejects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corpus.document import Unread
from corpus.filters.base import Hit
from corpus.pipeline.tables import REJECTS

Row = list[Any]
REASONS_SEPARATOR = ": "


def reject_row(step: str, reason: str, **values: Any) -> Row:
    """Return a row of rejects: the columns that are given, null for the rest."""
    values |= {"step": step, "reason": reason}
    return [values.get(name) for name in REJECTS.names]


def unread_row(unread: Unread) -> Row:
    """Return the row of something that is no document."""
    return reject_row(
        "preprocess",
        unread.reason,
        id=unread.id,
        path=unread.path,
        repo=unread.repo,
        size_bytes=unread.num_bytes,
        detail=unread.detail,
    )


def document_row(document: Mapping[str, Any], step: str, reason: str, **values: Any) -> Row:
    """Return the row of a document from a work file."""
    known = {name: document[name] for name in ("id", "path", "repo", "language", "size_bytes")}
    return reject_row(step, reason, sha256=document["sha256"].hex(), **known, **values)


def filtered_row(document: Mapping[str, Any], hits: tuple[Hit, ...]) -> Row:
    """Return the row of a document that rules drop; its reason is the first of them."""
    first = hits[0]
    return document_row(
        document,
        "filter",
        first.rule.name,
        rules=[hit.rule.name for hit in hits],
        value=None if first.value is None else float(first.value),
        threshold=float(first.threshold),
    )
