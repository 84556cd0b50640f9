"""Lines of a text, as the signals count them."""

from __future__ import annotations

from collections.abc import Sequence


def raw_lines(text: str) -> list[str]:
    """Split at LF only; every line keeps its LF, and an empty text has no lines.

    ``str.splitlines`` would also split at form feeds and Unicode separators.
    """
    pieces = [piece + "\n" for piece in text.split("\n")]
    last = pieces.pop()[:-1]
    if last:
        pieces.append(last)
    return pieces


def non_blank(lines: Sequence[str]) -> list[str]:
    """The lines that hold more than white space; indentation and LF stay."""
    return [line for line in lines if line.strip()]
