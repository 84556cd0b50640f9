"""Which language a file is in, and whether that is code, data or text."""

from __future__ import annotations

from corpus.languages.compat import detect_compat
from corpus.languages.default_set import default_languages
from corpus.languages.detect import detect
from corpus.languages.doc_type import UNKNOWN, Detected, DocType
from corpus.languages.table import Language, load_table

__all__ = [
    "UNKNOWN",
    "Detected",
    "DocType",
    "Language",
    "default_languages",
    "detect",
    "detect_compat",
    "load_table",
]
