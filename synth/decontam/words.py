"""Texts as normalised words, and names as the words that they are made of."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator

# Scripts that put no spaces between words; each character stands for a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(r"\w+")
_WORD_OR_CHARACTER = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_HUMP = re.compile(r"[a-z0-9][A-Z]|[A-Za-z0-9]_[A-Za-z0-9]")

_COMMENT_OR_DOCSTRING = re.compile(r"(\"\"\"|''').*?\1|(?:#|^[ \t]*//)[^\n]*", re.DOTALL | re.MULTILINE)

_LONGEST_GENERIC = 4
_COMMON = frozenset(
    [
        *(name.lower() for name in (*keyword.kwlist, *keyword.softkwlist, *dir(builtins))),
        *"self cls args kwargs arr lst res result ret val var tmp temp".split(),
        *"idx num nums data main other value values key keys".split(),
        *"the an and of in to is are be by it this that with as at or on from not if for no".split(),
    ]
)


def words(text: str) -> list[str]:
    """Return the words of a text: runs of letters, digits and underscores in lower case."""
    return _pattern(text).findall(text.lower() if text.isascii() else _lowered(text))


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each of :func:`words` begins and ends in the text."""
    return (match.span() for match in _pattern(text).finditer(text if text.isascii() else _lowered(text)))


def bare(code: str) -> str:
    """Return code without comments and docstrings, as far as can be told without parsing it."""
    return _COMMENT_OR_DOCSTRING.sub(" ", code)


def is_content(word: str) -> bool:
    """Say whether a word says what a text is about.

    Numbers, single letters, names with a leading underscore, keywords, builtins and function words are in any
    program and any question.
    """
    return not word.isascii() or (len(word) > 1 and word[0].isalpha() and word not in _COMMON)


def is_generic(name: str) -> bool:
    """Say whether a function's name is one word or at most four letters, as in ``find`` and ``is_a``.

    Of the names of HumanEval and MBPP 8 % are; as plain words they are in 83 % of the files of Python's
    standard library.
    """
    return len(name) <= _LONGEST_GENERIC or _HUMP.search(name.strip("_")) is None


def _pattern(text: str) -> re.Pattern[str]:
    return _WORD if text.isascii() else _WORD_OR_CHARACTER


def _lowered(text: str) -> str:
    """Return the text in lower case with each character in its place."""
    lowered = text.lower()
    # A few characters become two when lowered; those stay.
    return lowered if len(lowered) == len(text) else "".join(_lower(char) for char in text)


def _lower(char: str) -> str:
    lowered = char.lower()
    return lowered if len(lowered) == 1 else char
