"""Which signals a file has, by document type and language."""

from __future__ import annotations

from corpus.signals import doc, general
from corpus.signals.base import Signals

SPECIFIC: dict[str, Signals] = {}


def signals_for(doc_type: str, language: str) -> Signals:
    """Signals of a file in the order in which they are computed; none for types that are never kept."""
    if doc_type == "text":
        return doc.SIGNALS
    if doc_type in ("code", "data"):
        return {**general.SIGNALS, **SPECIFIC.get(language, {})}
    return {}
