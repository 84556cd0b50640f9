"""What the parsers of several languages share."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tree_sitter import Node

DEEPEST = 5000
"""Brackets in brackets. A file of a person's hand has fewer than a hundred."""

_BRACKETS = re.compile(r"[()\[\]{}]")


def too_deep(text: str) -> bool:
    """Brackets are nested more than ``DEEPEST`` deep; those in strings and comments count too."""
    if text.count("(") + text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = deepest = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "([{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest > DEEPEST


def broken_frac(errors: Iterable[Node], raw: bytes) -> float:
    """Share of the bytes of ``raw`` in nodes of errors, each counted once."""
    total = end = 0
    for first, last in sorted((node.start_byte, node.end_byte) for node in errors):
        total += max(0, last - max(first, end))
        end = max(end, last)
    return total / max(1, len(raw))
