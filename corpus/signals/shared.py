"""Signals that program texts and prose have in common."""

from __future__ import annotations

import re
from collections.abc import Callable

from corpus.signals.base import Value, described, share
from corpus.signals.source import Source

HEX_WORD = re.compile(r"\b0[xX][0-9a-fA-F]++\b")


def num_words(source: Source) -> Value:
    """Normalised words."""
    return source.vocabulary.num_words


def num_chars(source: Source) -> Value:
    """Code points."""
    return float(source.num_chars)


def mean_word_length(source: Source) -> Value:
    """Characters per normalised word."""
    return share(source.vocabulary.num_chars, source.vocabulary.num_words)


def frac_words_unique(source: Source) -> Value:
    """Distinct words among all."""
    return share(source.vocabulary.num_distinct, source.vocabulary.num_words)


def frac_chars_top(n: int) -> Callable[[Source], Value]:
    """Signal of the most frequent n-gram."""
    return described(
        f"The most frequent {n}-gram of words, times its count, among characters of words.",
        lambda source: round(source.vocabulary.top(n), 8),
    )


def frac_chars_dupe(n: int) -> Callable[[Source], Value]:
    """Signal of the words in repeated n-grams."""
    return described(
        f"Words in {n}-grams that occur more than once, among characters of words.",
        lambda source: round(source.vocabulary.dupe(n), 8),
    )


def frac_chars_replacement_symbols(source: Source) -> Value:
    """Characters that a decoder has put for bytes that it could not read."""
    return share(source.text.count("\ufffd"), len(source.text))


def frac_chars_digital(source: Source) -> Value:
    """Digits among visible characters."""
    return share(source.counts.digits, source.num_visible, 1.0)


def frac_chars_whitespace(source: Source) -> Value:
    """White space among all characters."""
    return share(source.counts.blanks, len(source.text), 1.0)


def frac_chars_alphabet(source: Source) -> Value:
    """Letters of any script among visible characters."""
    return share(source.counts.letters, source.num_visible, 0.0)


def hex_length(text: str) -> int:
    """Characters in words such as 0xff."""
    if "0x" not in text and "0X" not in text:
        return 0
    return sum(map(len, HEX_WORD.findall(text)))


REPETITION: dict[str, Callable[[Source], Value]] = {
    **{f"frac_chars_top_{n}grams": frac_chars_top(n) for n in (2, 3, 4)},
    **{f"frac_chars_dupe_{n}grams": frac_chars_dupe(n) for n in range(5, 11)},
}
