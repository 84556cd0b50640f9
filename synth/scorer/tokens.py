"""Words of code, the same for all languages: what a bag-of-words model counts."""

from __future__ import annotations

import itertools
import re

from synth.scorer.features import MAX_CHARS

VERSION = 1
"""Grows when the same text gets other words; a model fits one version only."""

_TOKEN = re.compile(r"\n[ \t]*|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\x00-\x7f]+|[^\w\s\x00-\x1f\x7f]{1,2}")
_DEEPEST = 8
JOINT = "\u00b7"


def tokens(text: str) -> list[str]:
    """Return the words of the beginning of a text.

    Identifiers are split at capitals and underscores and lower-cased, numbers become ``0``, and the
    beginning of a line becomes a mark of its depth. No word has an underscore or a space in it, so none
    looks like a label of fastText.
    """
    start = text[:MAX_CHARS].encode("utf-8", "replace").decode()
    return [word for token in _TOKEN.findall(start) if (word := _normal(token))]


def with_pairs(words: list[str]) -> list[str]:
    """Return the words, then each pair of neighbours as one word."""
    return words + [f"{left}{JOINT}{right}" for left, right in itertools.pairwise(words)]


def _normal(token: str) -> str:
    if token[0] == "\n":
        depth = (len(token) - 1 + 3 * token.count("\t") + 3) // 4
        return f"\u00b6{min(depth, _DEEPEST)}"
    if token.isdigit():
        return "0"
    # Of the spaces, those beyond ASCII can still be here.
    return "".join(token.lower().split())
