"""Signals of HTML."""

from __future__ import annotations

from corpus.signals.base import Signals, Value, share
from corpus.signals.source import Source


def cate_ast(source: Source) -> Value:
    """The page parses, as practically all do."""
    return float(source.html_text is not None)


def frac_words_text(source: Source) -> Value:
    """Characters of text, in spite of the name, among all."""
    return None if source.html_text is None else share(len(source.html_text), len(source.text))


def num_chars_text(source: Source) -> Value:
    """Characters of text."""
    return None if source.html_text is None else float(len(source.html_text))


SIGNALS: Signals = {
    "qsc_codehtml_cate_ast": cate_ast,
    "qsc_codehtml_frac_words_text": frac_words_text,
    "qsc_codehtml_num_chars_text": num_chars_text,
}
