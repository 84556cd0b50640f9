"""Signals of every program text and data file."""

from __future__ import annotations

import re
from collections import Counter

from corpus.signals import shared
from corpus.signals.base import Signals, Value, share
from corpus.signals.source import Source
from corpus.text.split import python_comments
from corpus.text.words import tokeniser

AUTOGEN = ("generate", "autogen", "auto-generated", "do not edit")
PROMPTS = ("your code here", "fixme", "todo")

# Strings that may span lines, by priority; the second form keeps short quotes on one line.
LONG_STRING = re.compile(r"'''(.*?)'''|\"\"\"(.*?)\"\"\"|'(.*?)'|\"(.*?)\"", re.DOTALL)
STRING = re.compile(r"'''((?s:.*?))'''|\"\"\"((?s:.*?))\"\"\"|'(.*?)'|\"(.*?)\"")
STRING_CONCAT = re.compile(r"=\s*['\"].*?['\"]\s*\+\s*['\"].*?['\"]")
URL = re.compile(r"https?://")
LONG_STRING_WORDS = 20
LONG_WORD = 20

# Kinds of data written as text, after StarCoder (arXiv:2305.06161, section 3).
ENCODED = (
    re.compile(r"[a-zA-Z0-9+/\n=]{64,}"),
    re.compile(r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}"),
    re.compile(r"(?:\\u[0-9a-fA-F]{4}){8,}"),
)
ENCODED_RUN = 1024


def size_file_byte(source: Source) -> Value:
    """Bytes on disk."""
    return float(source.size_bytes)


def num_lines(source: Source) -> Value:
    """Raw lines."""
    return float(len(source.lines))


def num_chars_line_max(source: Source) -> Value:
    """Longest line with its LF."""
    return float(max(map(len, source.lines), default=0))


def num_chars_line_mean(source: Source) -> Value:
    """Mean line with its LF."""
    return share(len(source.text), len(source.lines), 0)


def frac_chars_comments(source: Source) -> Value:
    """Comments among all characters."""
    if source.language == "python":
        return share(len(python_comments(source.text, source.python_tree)), len(source.text))
    return share(len(source.parts.comments), len(source.text))


def cate_xml_start(source: Source) -> Value:
    """The file declares itself as XML."""
    return float("<?xml version=" in source.text[:100])


def frac_lines_dupe_lines(source: Source) -> Value:
    """Code lines that occur more than once, white space apart; lone brackets do not count."""
    counts = Counter("".join(line.split()) for line in source.code_lines)
    repeated = sum(n for line, n in counts.items() if n > 1 and len(line) > 1 and line != "},")
    return share(repeated, len(source.code_lines))


def cate_autogen(source: Source) -> Value:
    """The first characters say that a program wrote the file."""
    head = source.text[:200].lower()
    return float(any(word in head for word in AUTOGEN))


def frac_lines_long_string(source: Source) -> Value:
    """Lines of strings that hold more than 20 words, per code line."""
    if not source.code_lines:
        return None
    # Chinese and Japanese strings need their dictionary; other words are counted without one.
    cut = tokeniser(source.natural_language)
    pieces = (piece for inner in _strings(LONG_STRING, source) for piece in inner.split("\n"))
    # A piece has at most as many words as characters.
    long = sum(len(piece) > LONG_STRING_WORDS and len(cut(piece)) > LONG_STRING_WORDS for piece in pieces)
    return share(long, len(source.code_lines))


def frac_chars_string_length(source: Source) -> Value:
    """Inside of strings, per character of code."""
    return share(sum(map(len, _strings(STRING, source))), len(source.parts.code))


def frac_chars_long_word_length(source: Source) -> Value:
    """Words in strings that are longer than 20 characters and hold no URL, per character of code."""
    words = (word for inner in _strings(STRING, source) for word in inner.split())
    length = sum(len(word) for word in words if len(word) > LONG_WORD and not URL.search(word))
    return share(length, len(source.parts.code))


def frac_lines_string_concat(source: Source) -> Value:
    """Code lines that add two literal strings."""
    found = sum(STRING_CONCAT.search(line) is not None for line in source.code_lines)
    return share(found, len(source.code_lines))


def cate_encoded_data(source: Source) -> Value:
    """The text is mainly base64, hexadecimal or escapes, or holds a long run of them."""
    total = 0
    for pattern in ENCODED:
        for match in pattern.finditer(source.text):
            length = match.end() - match.start()
            if length > ENCODED_RUN:
                return 1.0
            total += length
    return float(total > len(source.text) / 2)


def frac_chars_hex_words(source: Source) -> Value:
    """Words such as 0xff in the code."""
    return share(shared.hex_length(source.parts.code), len(source.parts.code))


def frac_lines_prompt_comments(source: Source) -> Value:
    """Comment lines that say what is still to be done, per raw line."""
    found = sum(any(prompt in line.lower() for prompt in PROMPTS) for line in source.comment_lines)
    return share(found, len(source.lines))


def frac_lines_assert(source: Source) -> Value:
    """Code lines that hold "assert" in any case."""
    return share(sum("assert" in line.lower() for line in source.code_lines), len(source.code_lines))


def _strings(pattern: re.Pattern[str], source: Source) -> list[str]:
    return ["".join(groups) for groups in pattern.findall(source.parts.code)]


_SIGNALS: Signals = {
    "num_words": shared.num_words,
    "num_chars": shared.num_chars,
    "mean_word_length": shared.mean_word_length,
    "frac_words_unique": shared.frac_words_unique,
    **shared.REPETITION,
    "frac_chars_replacement_symbols": shared.frac_chars_replacement_symbols,
    "frac_chars_digital": shared.frac_chars_digital,
    "frac_chars_whitespace": shared.frac_chars_whitespace,
    "size_file_byte": size_file_byte,
    "num_lines": num_lines,
    "num_chars_line_max": num_chars_line_max,
    "num_chars_line_mean": num_chars_line_mean,
    "frac_chars_alphabet": shared.frac_chars_alphabet,
    "frac_chars_comments": frac_chars_comments,
    "cate_xml_start": cate_xml_start,
    "frac_lines_dupe_lines": frac_lines_dupe_lines,
    "cate_autogen": cate_autogen,
    "frac_lines_long_string": frac_lines_long_string,
    "frac_chars_string_length": frac_chars_string_length,
    "frac_chars_long_word_length": frac_chars_long_word_length,
    "frac_lines_string_concat": frac_lines_string_concat,
    "cate_encoded_data": cate_encoded_data,
    "frac_chars_hex_words": frac_chars_hex_words,
    "frac_lines_prompt_comments": frac_lines_prompt_comments,
    "frac_lines_assert": frac_lines_assert,
}
SIGNALS: Signals = {f"qsc_code_{name}": function for name, function in _SIGNALS.items()}
