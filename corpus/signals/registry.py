"""Which signals a file has, by document type, language and mode."""

from __future__ import annotations

import functools
from typing import Literal

from corpus.signals import c, csharp, doc, general, go, html, java, javascript, python, python_repaired
from corpus.signals.base import Signals, without

Mode = Literal["compat", "default"]

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
# No rule looks at the names that follow a convention, and their definitions are wrong.
REPAIRED: dict[str, Signals] = {
    **SPECIFIC,
    "csharp": csharp.REPAIRED,
    "go": go.REPAIRED,
    "java": without(java.SIGNALS, "no_modifier", "var_name", "func_name", "class_name"),
    "javascript": without(javascript.SIGNALS, "statement_line", "var_name", "func_name", "class_name"),
    "python": python_repaired.SIGNALS,
}


@functools.cache
def signals_for(doc_type: str, language: str, mode: Mode = "compat") -> Signals:
    """Signals of a file in the order in which they are computed; none for types that are never kept."""
    if doc_type == "text":
        return doc.SIGNALS
    if doc_type in ("code", "data"):
        specific = REPAIRED if mode == "default" else SPECIFIC
        return {**general.SIGNALS, **specific.get(language, {})}
    return {}
