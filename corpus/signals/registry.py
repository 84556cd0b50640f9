"""Which signals a file has, by document type and language."""

from __future__ import annotations

from corpus.signals import c, csharp, doc, general, go, html, java, javascript, python
from corpus.signals.base import Signals

SPECIFIC: dict[str, Signals] = {
    "c": c.C,
    "cpp": c.CPP,
    "csharp": csharp.SIGNALS,
    "go": go.SIGNALS,
    "html": html.SIGNALS,
    "java": java.SIGNALS,
    "javascript": javascript.SIGNALS,
    "python": python.SIGNALS,
}


def signals_for(doc_type: str, language: str) -> Signals:
    """Signals of a file in the order in which they are computed; none for types that are never kept."""
    if doc_type == "text":
        return doc.SIGNALS
    if doc_type in ("code", "data"):
        return {**general.SIGNALS, **SPECIFIC.get(language, {})}
    return {}
