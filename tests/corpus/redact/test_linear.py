"""Texts made to be slow: each would take hours if anything looked at them again and again."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.redact.redact import redact

ROOT = Path(__file__).resolve().parents[3]
# In two parts, since the tree is searched for such lines.
BEGIN = f"-----BEGIN {'PRIVATE'} KEY-----\n"
SIZE = 30_000
# One of each way of looking at a text, and what once took quadratic time: minutes, now less than a second.
LARGE_SIZE = 300_000
LARGE = ("@", "a.", "sk-", "://a:b@", "/* ", "x", "-- (c) 2011\n", "# a\n")
CPU_S = 15
UNITS = (
    BEGIN, BEGIN.strip(), "a", "@", "a@", "a.", "a@b.", "a@b.com", ".", "1.", "1.1.1.1", "12.", ":", "a:",
    "2001:", "=", "-", "#", "/", "/*", "/* ", "*/", "<!--", "--[[", "{-", '"""', "'''", '"', "'", "\\", '\\"',
    "{", "=begin\n", "(*", "#|", "PRIVATE KEY", "AKIA", "ghp_", "sk-", "eyJ", "eyJ.", "xoxb-",
    "xoxb-1234567890-", "SG.", "key-", "AIza", ":AA", "1234567890:AA", "AccountKey=", "Bearer ", "basic a",
    "password=", "password = ", 'password="', "password: ", "password(", "password>", "--password=", "secret",
    "api_key", "token='", "pass", "key.", "://", "://a:b@", "://a:", "http://a", "Server=a;Password=",
    "@author ", "@author A B, ", "author: ", 'author="', "author=[", "by ", "written by A B, ", "TODO(",
    "TODO(a", "Signed-off-by: A B <", "A ", "# ", "#\n", "# a\n", "// Copyright\n",
    "// Copyright (c) 2011 A\n", "/* Copyright (c) 2011 A */\n", "/* (c) 2011 */ ", "-- (c) 2011\n",
    "# all rights reserved\n#\n", "# licence ", "# released under the ", "# Copyright A ", "copyright ",
    "(c) ", "(c)", "# permission\n# a\n", "# http", "<?php\n", "<?xml ", "#ifndef a\n", "--[[ (c) 2011 ",
    "/* (c)\n", ".. (c) 2011\n   a\n", "\n", "\r", " ", "\t", "\u0130", "ſ", "\ufeff", "\0", "\ud800", "é.",
    "王小明 ", "a\u2028", "[{", "https://a:b@c/",
)  # fmt: skip
# In what begins so, each of them stands within something.
HEADS = (
    "",
    "/* Copyright (c) 2011 A\n",
    "# Copyright (c) 2011 A\n",
    'password = "',
    BEGIN,
)


def shapes(size: int, head: str) -> list[str]:
    nested = ["/*" * (size // 4) + "*/" * (size // 4), '{"a":' * (size // 5), "x" * size + "@" + "y." * size]
    return [head + text for text in ([unit * (size // len(unit)) for unit in UNITS] + nested)]


def consume(language: str, head: str) -> None:
    """Redact all shapes; run in a process of its own, as a limit of CPU time is one of a process."""
    large = [head + unit * (LARGE_SIZE // len(unit)) for unit in (LARGE[-1:] if head else LARGE)]
    for text in [*shapes(SIZE // 4 if head else SIZE, head), *large]:
        assert redact(text, language=language, filename="a.yml").text


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("language", "head"), [*zip(("", "C", "Python", "YAML", "reStructuredText"), HEADS, strict=True)]
)
def test_time_is_linear(language: str, head: str) -> None:
    code = f"from tests.corpus.redact.test_linear import consume; consume({language!r}, {head!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
