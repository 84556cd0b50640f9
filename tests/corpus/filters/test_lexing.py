"""The rules of a lexer give the same tokens, whichever of them are tried."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.lexers import get_lexer_by_name

from corpus.text.lexing import Driver, first_chars

LANGUAGES = (
    "c", "cpp", "csharp", "css", "d", "erlang", "go", "groovy", "haskell", "java", "javascript", "json",
    "lua",
    "ocaml", "python", "r", "rust", "scala", "scss", "sql", "swift", "typescript", "xml",
)  # fmt: skip
LEXERS = [lexer for lexer in map(get_lexer_by_name, LANGUAGES) if Driver.drives(lexer)]
PIECES = st.sampled_from(
    ["if", "Int", "x1", "0x1F", "1.5e3", " ", "\n", "\t", "'", '"', '"""', "//", "/*", "*/", "#", "--",
     "{-", "-}",
     "<", ">", "</a>", "<!--", "-->", "=", "(", ")", "{", "}", "[", "]", ";", ":", "::", "@", "$", "%", "\\",
     "é", "ſ", "K",
     "r#", "def ", "class ", "import ", "#include <a>\n", "public ", "fn ", "func ", "select ", "&amp;",
     "`", "\0"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join), st.sampled_from(LEXERS))
def test_tokens_are_those_of_the_lexer(text: str, lexer: Any) -> None:
    prepared = lexer._preprocess_lexer_input(text)
    expected = [(kind, value) for _, kind, value in lexer.get_tokens_unprocessed(prepared)]
    found = list(Driver(lexer).tokens(prepared))
    assert [value for _, value in found] == [value for _, value in expected]
    assert [kind[:1] for kind, _ in found if "Comment" in str(kind)] == [
        kind[:1] for kind, _ in expected if "Comment" in str(kind)
    ]


def test_most_of_the_lexers_are_driven() -> None:
    assert len(LEXERS) >= 20


@pytest.mark.parametrize(
    ("pattern", "flags", "yes", "no"),
    [
        ("ab|cd", 0, "ac", "bd"),
        ("(?:x?)y", 0, "xy", "z"),
        (r"\bfoo", 0, "f", "o"),
        (r"(?<=a)b", 0, "b", "a"),
        ("abc", re.IGNORECASE, "aA", "b"),
        ("[^ab]", 0, "c\n", "ab"),
        (r"\s+", 0, " \n", "a"),
    ],
)
def test_first_characters(pattern: str, flags: int, yes: str, no: str) -> None:
    chars = first_chars(re.compile(pattern, flags))
    assert chars is not None
    assert set(yes) <= chars
    assert not set(no) & chars


@pytest.mark.parametrize("pattern", ["a*", "", "(a)?", "(?i:k)", r"(a)|\1", "(?=a)"])
def test_what_may_be_empty_or_is_not_plain_may_begin_with_anything(pattern: str) -> None:
    assert first_chars(re.compile(pattern)) is None
