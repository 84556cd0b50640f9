"""Characters as numbers, and what kind each is: the form in which compiled loops see a text."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Kinds = NDArray[np.uint8]

LETTER, DIGIT, SPACE, WORD = 1, 2, 4, 8
"""``str.isalpha``, ``str.isdigit``, ``str.isspace``, and what ``\\w`` is to Python's ``re``."""


def codes_of(text: str) -> Codes:
    """Code points of ``text``, lone surrogates too."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.uint32)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def text_of(codes: Any) -> str:
    """The text with these code points."""
    found: str = codes.tobytes().decode("utf-32-le", "surrogatepass")
    return found


@functools.cache
def kinds() -> Kinds:
    """Kind of every code point; as slow as a fifth of a second, once."""
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    size = len(every)
    found = np.zeros(size, dtype=np.uint8)
    for bit, test in ((LETTER, str.isalpha), (DIGIT, str.isdigit), (SPACE, str.isspace), (WORD, str.isalnum)):
        found |= np.fromiter(map(test, every), dtype=np.uint8, count=size) * np.uint8(bit)
    found[ord("_")] |= WORD
    return found
