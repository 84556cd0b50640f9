"""The form of a text in which words are counted.

Punctuation becomes a blank, letters become small, and compatibility characters their plain forms.
"""

from __future__ import annotations

import string
import unicodedata

CONTROL = [*range(0x08), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x202C]
# Wide punctuation has half-width forms that are punctuation again, so all of it ends as a blank.
WIDE = "。、《》【】「」“”‘’"


def _table() -> dict[int, str | None]:
    table: dict[int, str | None] = dict.fromkeys(CONTROL)
    for mark in string.punctuation:
        table[ord(mark)] = " "
        table[ord(mark) + 0xFEE0] = " "
    for char in WIDE + "\u2009\u200b":
        table[ord(char)] = " "
    table[ord("￥")] = "¥"
    return table


TABLE = _table()


def normalise(text: str) -> str:
    """Normalise ``text`` as a whole, which gives the same words as line by line.

    White space is not collapsed: no tokeniser sees how much of it lies between two words.
    """
    text = text.translate(TABLE).lower()
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def normalise_line(line: str) -> str:
    """Normalise one line and collapse its white space; segmenters of Chinese and Japanese do see blanks."""
    return unicodedata.normalize("NFKC", " ".join(line.translate(TABLE).lower().split()))
