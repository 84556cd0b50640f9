"""Compiled loops give what their plain Python gives, and what the definitions say."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.signals import kernels, kernels_strings
from corpus.signals.vocabulary import Vocabulary
from corpus.text import scan
from corpus.text.characters import codes_of, kinds, text_of
from corpus.text.comments import syntax_of
from corpus.text.syntax import encode

PIECES = st.sampled_from(
    ["a", "b", "ab", "0x1f", "\\x41", "\\u00e9", "41", " ", "\n", "\t", ",", "},", "'", '"', "'''", "//",
     "/*", "*/", "#", "*", "(", ")", "é", "字", "²", "http://", "=", "_", "9", "x" * 21, "A/+=" * 20, "<<E",
     "\nE\n",     "\\", "41," * 8, "41 ab 0x9f " * 3, "\\u00e9" * 8]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=60).map("".join)
LANGUAGES = ("c", "python", "php", "shell", "rust", "typescript", "haskell", "batchfile", "perl", "m4")

ENCODED = (
    r"[a-zA-Z0-9+/\n=]{64,}",
    r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}",
    r"(?:\\u[0-9a-fA-F]{4}){8,}",
)
C_FUNCTION = re.compile(r"\b(?:[a-zA-Z_]\w*(?:\s*\*+)?\s+)+\*?[a-zA-Z_]\w*\([^)]*\)")
STRINGS = {
    True: re.compile(r"'''(.*?)'''|\"\"\"(.*?)\"\"\"|'(.*?)'|\"(.*?)\"", re.DOTALL),
    False: re.compile(r"'''((?s:.*?))'''|\"\"\"((?s:.*?))\"\"\"|'(.*?)'|\"(.*?)\""),
}
WORD = re.compile(r"\w+|[^\w\s]+")


def both(loop: Any, *given: Any) -> Any:
    """Result of a compiled loop, after comparison with that of its Python form."""
    found = loop(*given)
    with np.errstate(over="ignore"):
        plain = loop.py_func(*given)
    for one, other in zip(found, plain, strict=True):
        assert np.array_equal(one, other)
    return found


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_words(text: str) -> None:
    words = WORD.findall(text)
    ids, lengths, counts = both(kernels.find_words, codes_of(text), kinds())
    assert [len(word) for word in words] == [lengths[i] for i in ids]
    assert list(counts) == list(Counter(words).values())


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_characters_and_lines(text: str) -> None:
    codes = codes_of(text)
    letters, digits, blanks, lines, longest = both(kernels.count_characters, codes, kinds())
    assert (letters, digits) == (sum(map(str.isalpha, text)), sum(map(str.isdigit, text)))
    assert (blanks, lines) == (sum(map(str.isspace, text)), len(re.findall(r"[^\n]*\n|[^\n]+", text)))
    assert longest == max((len(line) for line in re.findall(r"[^\n]*\n|[^\n]+", text)), default=0)
    full = ["".join(line.split()) for line in text.split("\n") if line.strip()]
    again = sum(n for line, n in Counter(full).items() if n > 1 and len(line) > 1 and line != "},")
    assert tuple(both(kernels.find_repeated_lines, codes, kinds())) == (len(full), again)


@settings(max_examples=300, deadline=None)
@example("0x1f a()")
@example("0 a()")
@given(TEXTS)
def test_functions_of_c(text: str) -> None:
    codes = codes_of(text)
    assert kernels.count_c_functions(codes, kinds()) == len(C_FUNCTION.findall(text))
    assert kernels.count_c_functions.py_func(codes, kinds()) == len(C_FUNCTION.findall(text))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "d"]), max_size=60))
def test_repetition(words: list[str]) -> None:
    found = Vocabulary.of_words(words)
    for n in range(2, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        counts = Counter(grams)
        gram, times = max(counts.items(), key=lambda item: item[1]) if counts else ((), 0)
        covered = {i + k for i, one in enumerate(grams) if counts[one] > 1 for k in range(n)}
        total = sum(map(len, words)) or 1
        assert found.top(n) == (sum(map(len, gram)) * times / total if times > 1 else 0)
        assert found.dupe(n) == sum(len(words[i]) for i in covered) / total


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_encoded_data(text: str) -> None:
    runs = [len(match.group()) for pattern in ENCODED for match in re.finditer(pattern, text)]
    found = both(kernels_strings.find_encoded, codes_of(text), kinds())
    assert tuple(found) == (max(runs, default=0), sum(runs))


@settings(max_examples=200, deadline=None)
@example("'xxxxxxxxxxxxxxxxxxxxxhttp://'", False)
@example("'xxxxxxxxxxxxxxxxxxxxxhttps://x'", False)
@example("'http://xxxxxxxxxxxxxxxxxxxxx'", False)
@given(TEXTS, st.booleans())
def test_strings(text: str, spans: bool) -> None:
    inners = ["".join(groups) for groups in STRINGS[spans].findall(text)]
    words = [word for inner in inners for word in inner.split()]
    long = sum(len(word) for word in words if len(word) > 20 and not re.search(r"https?://\S", word))
    pieces = sum(len(WORD.findall(piece)) > 20 for inner in inners for piece in inner.split("\n"))
    found = both(kernels_strings.measure_strings, codes_of(text), kinds(), spans)
    assert tuple(found) == (sum(map(len, inners)), long, pieces)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(LANGUAGES))
def test_comment_marks(text: str, language: str) -> None:
    syntax = syntax_of(language)
    assert syntax is not None
    arguments = (codes_of(text), kinds(), *encode(syntax), syntax.inside)
    mask = scan.comment_mask(*arguments)
    assert np.array_equal(mask, scan.comment_mask.py_func(*arguments))
    assert len(mask) == len(text)


@given(st.text())
def test_characters_there_and_back(text: str) -> None:
    assert text_of(codes_of(text)) == text
