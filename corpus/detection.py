"""Programming language and document type of a file, by its name."""

from __future__ import annotations

import importlib
from typing import NamedTuple


class Detected(NamedTuple):
    """What a name says of a file; both are ``unknown`` where it says nothing."""

    language: str
    doc_type: str


UNKNOWN = Detected("unknown", "unknown")


def detect(filename: str) -> Detected:
    """Look ``filename``, the full base name, up in the language tables."""
    try:
        tables = importlib.import_module("corpus.languages.compat")
    except ModuleNotFoundError:
        return UNKNOWN
    language, doc_type = tables.detect_compat(filename)
    return Detected(language, doc_type)
