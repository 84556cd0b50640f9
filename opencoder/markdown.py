"""Markdown of dataset cards, from values that may hold anything."""

from __future__ import annotations

from collections.abc import Sequence

_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
)


def size_category(count: int) -> str:
    """Return the hub's name for a data set of so many rows (``size_categories`` of its cards)."""
    return next((name for bound, name in _SIZES if count < bound), "10B<n<100B")


def plain(value: str) -> str:
    """Return text without what cannot be printed.

    A name with a line end would leave its line, and one with a surrogate could not be written.
    """
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in value)


def cell(value: str) -> str:
    """Return text that Markdown shows as it is, in a table too."""
    escaped = plain(value).replace("\\", "\\\\")
    for char in "`*_[]|#!~$":
        escaped = escaped.replace(char, f"\\{char}")
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def longest_ticks(value: str) -> int:
    """Return the length of the longest run of backticks; a fence around the text must be longer."""
    longest = run = 0
    for char in value:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    return longest


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
