r"""The text as the released finders see it, with other word characters and blanks than ``re`` has.

The released filter searches program text with the package ``regex``, for which combining marks, joiners and
circled letters are word characters, fractions and raised digits are none, and the separators U+001C to U+001F
are no blanks. Characters of which the two differ are replaced here by others on which they agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

WORD, OTHER = "\u00aa", "\u00a1"
"""Put for a word character, and for what is neither that nor blank; no finder looks for them."""
SEPARATORS = "\x1c\x1d\x1e\x1f"
JOINERS = "\u200c\u200d"
BLANKS = re.compile(rf"[^\S{SEPARATORS}]+")


class _Table(dict[int, str]):
    """What each character becomes, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = _replacement(chr(code))
        return self[code]


def _replacement(char: str) -> str:
    category = unicodedata.category(char)
    if char in SEPARATORS or category == "No":
        return OTHER
    # Of the symbols, only the circled and squared letters are alphabetic; they are what has a case.
    cased = category == "So" and (char.isupper() or char.islower())
    if category[0] == "M" or (category == "Pc" and char != "_") or char in JOINERS or cased:
        return WORD
    return char


_TABLE = _Table()


def as_released(text: str) -> str:
    r"""``text``, character for character, so that ``\w``, ``\s`` and ``\b`` find what they do there."""
    if text.isascii() and not has_separators(text):
        return text
    return text.translate(_TABLE)


def has_separators(text: str) -> bool:
    """A character of which ``str.split`` takes a blank, but not the released filter, is in ``text``."""
    return any(char in text for char in SEPARATORS)


def find_repeated_lines(text: str) -> tuple[int, int]:
    """As ``corpus.signals.kernels.find_repeated_lines``, where separators tell lines from each other."""
    lines = [BLANKS.sub("", line) for line in text.split("\n") if line.strip()]
    counts = Counter(lines)
    return len(lines), sum(n for line, n in counts.items() if n > 1 and len(line) > 1 and line != "},")
