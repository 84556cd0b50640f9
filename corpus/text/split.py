"""Code and comments of a program text, apart from each other."""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections.abc import Iterable
from typing import Any, NamedTuple

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, String
from pygments.util import ClassNotFound

from corpus.text.lexing import Driver
from corpus.text.lines import raw_lines

# Exactly these kinds, without their subtypes: a preprocessor line is code.
COMMENTS = {Comment.Multiline, Comment.Single, Comment.Special, Comment.Hashbang, String.Doc}

_COMMENT_IDS = frozenset(map(id, COMMENTS))

BLOCK_STARTS, BLOCK_ENDS = ('"""', "/*"), ('"""', "*/")
LINE_STARTS = ("#", "//", "--")


class Parts(NamedTuple):
    """The two parts of a program text."""

    code: str
    comments: str


def split(text: str, language: str) -> Parts:
    """Split ``text`` by the lexer named ``language``, or by hand where there is none."""
    if language == "perl":
        return split_perl(text)
    lexer = lexer_of(language)
    return split_by_hand(text) if lexer is None else split_by_lexer(text, lexer)


@functools.lru_cache(maxsize=128)
def lexer_of(language: str) -> Lexer | None:
    """The lexer one of whose aliases is ``language``; made once, as lexers keep no state between texts."""
    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return None


def split_by_lexer(text: str, lexer: Lexer) -> Parts:
    """Put tokens of comment kinds to one side and all others to the other, with nothing between them."""
    code: list[str] = []
    comments: list[str] = []
    # As ``get_tokens`` does, less two generators; kinds are single objects, so their ids will do.
    for kind, value in _tokens(text, lexer):
        (comments if id(kind) in _COMMENT_IDS else code).append(value)
    return Parts("".join(code), "".join(comments))


def _tokens(text: str, lexer: Lexer) -> Iterable[tuple[Any, str]]:
    prepared = lexer._preprocess_lexer_input(text)  # pyright: ignore[reportAttributeAccessIssue]
    if driver := _driver_of(lexer):
        return driver.tokens(prepared)
    return ((kind, value) for _, kind, value in lexer.get_tokens_unprocessed(prepared))


@functools.lru_cache(maxsize=128)
def _driver_of(lexer: Lexer) -> Driver | None:
    return Driver(lexer) if Driver.drives(lexer) else None


def split_perl(text: str) -> Parts:
    """Take POD and lines that begin with # for comments; blanks before either do not matter."""
    code: list[str] = []
    comments: list[str] = []
    in_pod = False
    for line in raw_lines(text):
        stripped = line.strip()
        command = stripped.startswith("=")
        (comments if in_pod or command or stripped.startswith("#") else code).append(line)
        if command:
            in_pod = not stripped.startswith("=cut")
    return Parts("".join(code), "".join(comments))


def split_by_hand(text: str) -> Parts:
    """Split as the original rules do for a language without lexer, flaw included.

    The first line that begins with a line comment turns all that follows into comment, and so does a line
    that begins or ends with a delimiter of blocks, up to the next one that does. A block on one line thus
    opens one. Thresholds were set with this in place, so the compatible mode keeps it.
    """
    code: list[str] = []
    comments: list[str] = []
    in_comment = False
    for line in raw_lines(text):
        stripped = line.strip()
        delimits = stripped.startswith(BLOCK_STARTS) or stripped.endswith(BLOCK_ENDS)
        starts = stripped.startswith(LINE_STARTS)
        (comments if delimits or starts or in_comment else code).append(line)
        in_comment = not in_comment if delimits else in_comment or starts
    return Parts("".join(code), "".join(comments))


def python_comments(text: str, nodes: Iterable[ast.AST]) -> str:
    """Docstrings and comments of a Python file; what does not parse or tokenise adds nothing."""
    docstrings: list[str] = []
    for node in nodes:
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            docstrings.append(ast.get_docstring(node) or "")
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        comments = "".join(token.string for token in tokens if token.type == tokenize.COMMENT)
    except (tokenize.TokenError, SyntaxError):
        comments = ""
    return ("\n".join(filter(None, docstrings)) + "\n" + comments.replace("#", "")).strip()
