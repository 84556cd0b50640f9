"""How a language writes comments and strings, in the form that the scanner reads."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Kind(enum.IntEnum):
    """What a delimiter begins."""

    LINE = 0
    BLOCK = 1
    STRING = 2
    CHAR = 3
    HEREDOC = 4
    PATTERN = 5


class Where(enum.IntEnum):
    """Where a delimiter is one."""

    ANYWHERE = 0
    AFTER_BLANK = 1
    FIRST_ON_LINE = 2
    FIRST_COLUMN = 3
    NEW_WORD = 4


class LineEnd(enum.IntEnum):
    """Whether the end of its line belongs to a line comment."""

    NO = 0
    YES = 1
    IF_ALONE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """One way to begin a comment or a string.

    Args:
        kind: What begins.
        opening: Its first characters; lower case where ``any_case``.
        closing: Its last; a line comment has none.
        where: Places at which ``opening`` counts.
        line_end: Of line comments.
        nests: Blocks may hold blocks.
        escape: Character that takes the next one's meaning away.
        spans: Strings may go on in the next line.
        doc: The string is a comment: documentation.
        any_case: ``REM`` is ``rem``, and no word character may follow.
        closing_first: ``closing`` counts in the first column only.
    """

    kind: Kind
    opening: str
    closing: str = ""
    where: Where = Where.ANYWHERE
    line_end: LineEnd = LineEnd.NO
    nests: bool = False
    escape: str = ""
    spans: bool = False
    doc: bool = False
    any_case: bool = False
    closing_first: bool = False


class Encoded(NamedTuple):
    """Tokens as arrays."""

    first: NDArray[np.bool_]
    table: NDArray[np.int64]
    characters: NDArray[np.uint32]


class Syntax(NamedTuple):
    """Comments and strings of a language; the first token that fits counts.

    Args:
        tokens: All of them.
        inside: The text begins inside the first token, as a PHP file does outside of its program.
    """

    tokens: tuple[Token, ...] = ()
    inside: bool = False


def line(
    opening: str, line_end: LineEnd = LineEnd.NO, where: Where = Where.ANYWHERE, *, any_case: bool = False
) -> Token:
    """A comment up to the end of its line."""
    return Token(kind=Kind.LINE, opening=opening, where=where, line_end=line_end, any_case=any_case)


def block(
    opening: str, closing: str, *, nests: bool = False, where: Where = Where.ANYWHERE, first: bool = False
) -> Token:
    """A comment between two marks."""
    return Token(
        kind=Kind.BLOCK, opening=opening, closing=closing, nests=nests, where=where, closing_first=first
    )


def string(
    opening: str,
    closing: str = "",
    *,
    escape: str = "\\",
    spans: bool = False,
    where: Where = Where.ANYWHERE,
) -> Token:
    """A string; in it comments do not begin."""
    closing = closing or opening
    return Token(kind=Kind.STRING, opening=opening, closing=closing, escape=escape, spans=spans, where=where)


def doc(quote: str) -> Token:
    """A string that stands first on its line and documents."""
    return Token(
        kind=Kind.STRING, opening=quote, closing=quote, where=Where.FIRST_ON_LINE, spans=True, doc=True
    )


CHAR = Token(kind=Kind.CHAR, opening="'")
"""One character between quotes; any other quote, such as that of a lifetime or a digit group, is none."""

PATTERN = Token(kind=Kind.PATTERN, opening="/", closing="/", escape="\\")
"""A regular expression of JavaScript and its kin, where no operand stands before it."""


def heredoc(opening: str) -> Token:
    """A string up to a line that holds only the word named at its start."""
    return Token(kind=Kind.HEREDOC, opening=opening)


@functools.cache
def encode(syntax: Syntax) -> Encoded:
    """Put the tokens into arrays: one row each, and all their characters in one."""
    first = np.zeros(256, dtype=np.bool_)
    rows, characters = [], ""
    for token in syntax.tokens:
        opening, closing = len(characters), len(characters) + len(token.opening)
        characters += token.opening + token.closing
        first[ord(token.opening[0]) if ord(token.opening[0]) < 255 else 255] = True
        if token.any_case:
            first[ord(token.opening[0].upper())] = True
        rows.append(
            (
                token.kind, token.where, opening, len(token.opening), closing, len(token.closing),
                token.line_end, token.nests, ord(token.escape or "\0"), token.spans, token.doc,
                token.any_case, token.closing_first,
            )
        )  # fmt: skip
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 13)
    return Encoded(first, table, np.array([ord(char) for char in characters], dtype=np.uint32))
