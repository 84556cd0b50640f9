"""Comments at the head of a file, of every style, told from the text itself.

The language matters only for signs that are something else elsewhere: a quote, a brace, an asterisk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_PYTHON = frozenset({"python", "cython", "sage", "starlark"})
_PASCAL = frozenset({"pascal", "component pascal", "modula-2"})
_FORTRAN = frozenset({"fortran", "fortran free form"})
_BASIC = frozenset(
    {
        "visual basic .net",
        "visual basic 6.0",
        "vba",
        "vbscript",
        "basic",
        "freebasic",
        "brightscript",
        "classic asp",
        "purebasic",
    }
)
_VIM = frozenset({"vim script", "vim snippet", "abap"})
_STARRED = frozenset({"cobol", "abap", "gams", "stata", *_FORTRAN})
_BATCH = frozenset({"batchfile", "basic", "freebasic"})
_RST = frozenset({"restructuredtext"})
_NO_HASH = frozenset({"markdown", "rmarkdown", "mdx"})

# Longest openers first. None: any language.
_BLOCKS: tuple[tuple[str, str, frozenset[str] | None], ...] = (
    ("<%--", "--%>", None),
    ("<!---", "--->", frozenset({"coldfusion", "coldfusion cfc"})),
    ("<!--", "-->", None),
    ("--[==[", "]==]", None),
    ("--[[", "]]", None),
    ("#[[", "]]", None),
    ("{{/*", "*/}}", None),
    ("{{--", "--}}", None),
    ("@*", "*@", None),
    ("/*", "*/", None),
    ("/+", "+/", None),
    ("(*", "*)", None),
    ("{-", "-}", None),
    ("{#", "#}", None),
    ("{*", "*}", None),
    ("<#", "#>", None),
    ("#|", "|#", None),
    ("%{", "%}", None),
    ("#=", "=#", frozenset({"julia"})),
    ("###", "###", frozenset({"coffeescript"})),
    ("=begin", "\n=end", None),
    ("=pod", "\n=cut", None),
    ("=head1", "\n=cut", None),
    ("comment", ";", frozenset({"algol"})),
    ("<comment>", "</comment>", None),
    ('"""', '"""', _PYTHON),
    ("'''", "'''", _PYTHON),
    ('r"""', '"""', _PYTHON),
    ('u"""', '"""', _PYTHON),
    ("{", "}", _PASCAL),
)
_LINES: tuple[tuple[str, frozenset[str] | None], ...] = (
    ("//", None),
    ("--", None),
    ("#", None),
    (";", None),
    ("%", None),
    ("dnl ", None),
    ("dnl", None),
    ("@comment ", None),
    ("@c ", None),
    ("@c\n", None),
    ("@rem ", None),
    ("rem ", None),
    ("rem\n", _BATCH),
    ("::", None),
    ("..", _RST),
    ("\\ ", None),
    ('"', _VIM),
    ("'", _BASIC),
    ("!", _FORTRAN),
    ("c ", _FORTRAN),
    ("c\n", _FORTRAN),
    ("c*", _FORTRAN),
    ("*", _STARRED),
    ('.\\"', None),
    ("'\\\"", None),
    ("⍝", None),
    ("!", frozenset({"java properties", "x font directory index", "factor"})),
)
# Lines that may stand before or between leading comments, and stay.
_PASSED = re.compile(
    r"#!|<\?(?:php|xml|hh)?\b|<!doctype\b|['\"]use (?:strict|client|server|asm)['\"]|@charset\b|@echo off"
    r"|\\input\s+texinfo"
    r"|---\s*$|%YAML|#pragma once|<\?=|\{?\s*-\*-|#lang\b|#(?:ifndef|define)\s+\w+$"
    r"|@setlocal|setlocal\b|%%\*\*",
    re.IGNORECASE,
)
_NOT_HASH = re.compile(
    r"#(?:include|define|if|ifdef|ifndef|pragma|import|region|undef|error|else|endif|using|line|nullable|load|r)\b"
)
# What follows the sign of a comment of one line in the opener of one of several.
_BEHIND_MARKER = frozenset("[{|=#")
_FIXED = re.compile(r"[\d ]{6}\*")


class Block(NamedTuple):
    """A comment.

    Attributes:
        start: Index of its first character, indentation included.
        end: Index behind its last, line end included where nothing else stands on that line.
        opener: What opens a comment of several lines, else empty.
        closer: What closes it.
        marker: What begins each line of a comment of line style, else empty.
    """

    start: int
    end: int
    opener: str
    closer: str
    marker: str


def leading_blocks(text: str, *, language: str, filename: str) -> Iterator[Block]:
    """Yield comments from the head of ``text`` until something else stands there."""
    at = 1 if text.startswith("\ufeff") else 0
    if filename.lower().endswith((".for", ".f77", ".f90", ".f95", ".f")):
        language = "fortran"
    unclosed: set[str] = set()
    while at < len(text):
        eol = _line_end(text, at)
        line = text[at:eol].strip()
        if not line:
            at = eol
        elif passed := _PASSED.match(line):
            at = _behind_passed(text, at, eol, passed.group().lower())
        elif block := _block_at(text, at, line, language, unclosed) or _lines_at(
            text, at, language, unclosed
        ):
            yield block
            at = block.end
        else:
            return


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _behind_passed(text: str, at: int, eol: int, mark: str) -> int:
    if mark in {"<?php", "<?hh"}:
        return text.index("<?", at) + len(mark)
    if mark in {"<?xml", "<!doctype"}:
        end = text.find(">", at)
        return end + 1 if end >= 0 else len(text)
    return eol


def _block_at(text: str, at: int, line: str, language: str, unclosed: set[str]) -> Block | None:
    for opener, closer, languages in _BLOCKS:
        if not line.startswith(opener) or (languages is not None and language not in languages):
            continue
        if opener in unclosed:
            return None
        first = text.index(opener, at) + len(opener)
        end = text.find(closer, first)
        if end < 0:
            unclosed.add(opener)  # nor is any later one
            return None
        end = _line_end(text, end + 1) if closer[0] == "\n" else end + len(closer)
        eol = _line_end(text, end) if closer[0] != "\n" else end
        return Block(at, eol if not text[end:eol].strip() else end, opener, closer, "")
    return None


def _lines_at(text: str, at: int, language: str, unclosed: set[str]) -> Block | None:
    """The run of lines with one marker; ``--[[`` and the like, which begin as a line does, end it."""
    marker = _marker(text[at : _line_end(text, at)], language)
    end = at
    while marker and end < len(text):
        eol = _line_end(text, end)
        line = text[end:eol]
        if not (_marker(line, language) == marker or (marker == ".." and end > at and _indented(text, end))):
            break
        bare = line.strip()
        may_open = end > at and bare[len(marker) : len(marker) + 1] in _BEHIND_MARKER
        if may_open and _block_at(text, end, bare, language, unclosed):
            break
        end = eol
    return Block(at, end, "", "", marker) if end > at else None


def _indented(text: str, at: int) -> bool:
    line = text[at : _line_end(text, at)]
    if line.strip():
        return line[0] in " \t"
    end = _line_end(text, at)
    return text[end : end + 200].lstrip("\n")[:1] in {" ", "\t"}


def _marker(line: str, language: str) -> str:
    if language in {"cobol", "gams"} and _FIXED.match(line):
        return "*"
    bare = line.lstrip(" \t").lower()
    for marker, languages in _LINES:
        if bare.startswith(marker) and (languages is None or language in languages):
            if marker == "#" and (language in _NO_HASH or _NOT_HASH.match(bare)):
                return ""
            if marker[0] == "c" and line[:1] not in {"c", "C"}:
                return ""
            return marker.strip()
    return ""
