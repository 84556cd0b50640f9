"""Signals of every program text and data file."""

from __future__ import annotations

import re

from corpus.signals import shared
from corpus.signals.base import Signals, Value, count_lines, share
from corpus.signals.source import Source
from corpus.text.words import tokeniser

AUTOGEN = ("generate", "autogen", "auto-generated", "do not edit")
PROMPTS = ("your code here", "fixme", "todo")

# Strings that may span lines, by priority.
LONG_STRING = re.compile(r"'''(.*?)'''|\"\"\"(.*?)\"\"\"|'(.*?)'|\"(.*?)\"", re.DOTALL)
ASSIGNED, JOINED, QUOTE = re.compile(r"=\s*['\"]"), re.compile(r"['\"]\s*\+\s*['\"]"), re.compile(r"['\"]")
LONG_STRING_WORDS = 20

# Kinds of data written as text, after StarCoder (arXiv:2305.06161, section 3).
ENCODED_RUN = 1024


def size_file_byte(source: Source) -> Value:
    """Bytes on disk."""
    return float(source.size_bytes)


def num_lines(source: Source) -> Value:
    """Raw lines."""
    return float(source.counts.lines)


def num_chars_line_max(source: Source) -> Value:
    """Characters of the longest line, its LF included."""
    return float(source.counts.longest)


def num_chars_line_mean(source: Source) -> Value:
    """Mean length of a line, its LF included."""
    return share(len(source.text), source.counts.lines, 0)


def frac_chars_comments(source: Source) -> Value:
    """Comments among all characters."""
    return share(source.comments_length, len(source.text))


def cate_xml_start(source: Source) -> Value:
    """The file declares itself as XML."""
    return float("<?xml version=" in source.text[:100])


def frac_lines_dupe_lines(source: Source) -> Value:
    """Code lines that occur more than once, white space apart; lone brackets do not count."""
    return share(source.repeated.repeated, source.num_code_lines)


def cate_autogen(source: Source) -> Value:
    """The first characters say that a program wrote the file."""
    head = source.text[:200].lower()
    return float(any(word in head for word in AUTOGEN))


def frac_lines_long_string(source: Source) -> Value:
    """Lines of strings that hold more than 20 words, per code line."""
    if not source.num_code_lines:
        return None
    if source.natural_language not in ("zh", "ja"):
        return share(source.long_strings.long_pieces, source.num_code_lines)
    # Chinese and Japanese strings need their dictionary.
    cut = tokeniser(source.natural_language)
    inners = ("".join(groups) for groups in LONG_STRING.findall(source.parts.code))
    pieces = (piece for inner in inners for piece in inner.split("\n"))
    # A piece has at most as many words as characters.
    long = sum(len(piece) > LONG_STRING_WORDS and len(cut(piece)) > LONG_STRING_WORDS for piece in pieces)
    return share(long, source.num_code_lines)


def frac_chars_string_length(source: Source) -> Value:
    """Characters inside of strings, per character of code."""
    return share(source.strings.inner, len(source.parts.code))


def frac_chars_long_word_length(source: Source) -> Value:
    """Words in strings that are longer than 20 characters and hold no URL, per character of code."""
    return share(source.strings.long_words, len(source.parts.code))


def frac_lines_string_concat(source: Source) -> Value:
    """Code lines that add two literal strings."""
    code = source.parts.code
    if "+" not in code:
        return share(0, source.num_code_lines)
    return share(sum(map(_adds_strings, code.split("\n"))), source.num_code_lines)


def _adds_strings(line: str) -> bool:
    """A string after an equals sign, a plus between quotes, a last quote: each where it is first found."""
    if "+" not in line:
        return False
    assigned = ASSIGNED.search(line)
    # Neither string is empty.
    joined = assigned and JOINED.search(line, assigned.end() + 1)
    return bool(joined and QUOTE.search(line, joined.end() + 1))


def cate_encoded_data(source: Source) -> Value:
    """The text is mainly base64, hexadecimal or escapes, or holds a long run of them."""
    longest, total = source.encoded
    return float(longest > ENCODED_RUN or total > len(source.text) / 2)


def frac_chars_hex_words(source: Source) -> Value:
    """Words such as 0xff in the code."""
    return share(shared.hex_length(source.searched), len(source.parts.code))


def frac_lines_prompt_comments(source: Source) -> Value:
    """Comment lines that say what is still to be done, per raw line."""
    return share(count_lines(source.parts.comments.lower(), PROMPTS), source.counts.lines)


def frac_lines_assert(source: Source) -> Value:
    """Code lines that hold "assert" in any case."""
    return share(count_lines(source.code_lower, ("assert",)), source.num_code_lines)


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
