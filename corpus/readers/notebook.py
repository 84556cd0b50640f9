"""Jupyter notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from corpus.document import Document, Unread

Notebooks = Literal["script", "markdown", "both", "drop"]


def converted(document: Document, notebooks: Notebooks) -> Iterator[Document | Unread]:
    """Yield a notebook in the wanted forms."""
    yield document
