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

# Exactly these kinds, without their subtypes: a preprocessor line is code.
COMMENTS = {Comment.Multiline, Comment.Single, Comment.Special, Comment.Hashbang, String.Doc}

_COMMENT_IDS = frozenset(map(id, COMMENTS))

BLOCKS = {"/*": "*/", "<!--": "-->", "'''": "'''", '"""': '"""', "{-": "-}", "(*": "*)"}


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
    prepared = lexer._preprocess_lexer_input(text)
    if driver := _driver_of(lexer):
        return driver.tokens(prepared)
    return ((kind, value) for _, kind, value in lexer.get_tokens_unprocessed(prepared))


@functools.lru_cache(maxsize=128)
def _driver_of(lexer: Lexer) -> Driver | None:
    return Driver(lexer) if Driver.drives(lexer) else None


def split_perl(text: str) -> Parts:
    """Take POD and lines that begin with # for comments."""
    code: list[str] = []
    comments: list[str] = []
    in_pod = False
    for line in text.splitlines(keepends=True):
        if in_pod or line.startswith(("=", "#")):
            comments.append(line)
        else:
            code.append(line)
        if line.startswith("=cut"):
            in_pod = False
        elif line.startswith("="):
            in_pod = True
    return Parts("".join(code), "".join(comments))


def split_by_hand(text: str) -> Parts:
    """Split as the original rules do for a language without lexer, flaw included.

    The first line that begins with a line comment turns all that follows into comment, until a line begins or
    ends with a block delimiter. Thresholds were set with this in place, so the compatible mode keeps it.
    """
    code: list[str] = []
    comments: list[str] = []
    in_comment = False
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith(("#", "//", "--")):
            in_comment = True
        (comments if in_comment else code).append(line)
        if in_comment and (stripped.startswith(tuple(BLOCKS)) or stripped.endswith(tuple(BLOCKS.values()))):
            in_comment = False
    return Parts("\n".join(code), "\n".join(comments))


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
