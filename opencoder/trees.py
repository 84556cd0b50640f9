"""Syntax trees of tree-sitter, with bounds on the work that a text can cause."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from tree_sitter import Node, Parser, Query, QueryCursor

DEEPEST = 5000
"""Brackets in brackets. A file of a person's hand has fewer than a hundred."""

STEPS, BYTES_PER_STEP, MOST_STEPS = 1000, 50, 30_000
"""Steps of a parser, each of some hundred operations. Ordinary files take one for 150 bytes; what makes it
guess again and again takes more, up to the square of the size. Every machine takes the same steps."""
_CHUNK = 1 << 16

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


class Parsed(NamedTuple):
    """The tree of a text.

    Attributes:
        root: Its root.
        raw: The bytes of the text.
        found: Nodes that a query names, in no certain order.
    """

    root: Node
    raw: bytes
    found: dict[str, list[Node]]


def parse(parser: Parser, query: Query, text: str, *, most_broken: float) -> Parsed | None:
    """Parse a text and look for what ``query`` names, ``error`` among it.

    Returns:
        None if the text is nested too deeply or takes too many steps, or if more than the share
        ``most_broken`` of its bytes is in nodes of errors.
    """
    read = read_tree(parser, text)
    if read is None:
        return None
    root, raw = read
    # A query takes quadratic time for a long row of errors, so the outermost ones are looked at without it.
    outer = [node for node in (root, *root.children) if node.type == "ERROR"] if root.has_error else []
    if _broken_frac(outer, raw) > most_broken:
        return None
    found = QueryCursor(query).captures(root)
    if _broken_frac(found.get("error", ()), raw) > most_broken:
        return None
    return Parsed(root, raw, found)


def read_tree(parser: Parser, text: str) -> tuple[Node, bytes] | None:
    """Parse a text: the root, and the bytes that the nodes point into.

    Returns:
        None if the text is nested too deeply or takes too many steps.
    """
    if too_deep(text):
        return None
    raw = text.encode("utf-8", "replace")
    steps = min(MOST_STEPS, STEPS + len(raw) // BYTES_PER_STEP)

    def is_enough(_offset: int, _has_error: bool) -> bool:
        nonlocal steps
        steps -= 1
        return steps < 0

    try:
        tree = parser.parse(lambda at, _: raw[at : at + _CHUNK], progress_callback=is_enough)
    except ValueError:
        parser.reset()
        return None
    return tree.root_node, raw


def text_at(node: Node | None, raw: bytes) -> str:
    """What ``node`` spans; its own attribute is wrong where a text was read in pieces."""
    return raw[node.start_byte : node.end_byte].decode("utf-8", "replace") if node else ""


def _broken_frac(errors: Iterable[Node], raw: bytes) -> float:
    """Share of the bytes of ``raw`` in nodes of errors, each counted once."""
    total = end = 0
    for first, last in sorted((node.start_byte, node.end_byte) for node in errors):
        total += max(0, last - max(first, end))
        end = max(end, last)
    return total / max(1, len(raw))
