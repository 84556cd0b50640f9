"""Texts made to be slow: each would take hours if anything looked at them again and again."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.redact.redact import redact

ROOT = Path(__file__).resolve().parents[3]
SIZE = 1_000_000
PIECE = 50_000
# A second for each shape, where a quadratic one takes minutes.
CPU_S = 60
UNITS = (
    "a", "@", "a@", "a.", "a@b.", "a@b.com", ".", "1.", "1.1.1.1", "12.", ":", "a:", "2001:", "=", "-", "#", "/",
    "/*", "/* ", "*/", "<!--", "--[[", "{-", '"""', "'''", '"', "'", "\\", '\\"', "{", "=begin\n", "(*", "#|",
    "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n", "PRIVATE KEY", "AKIA", "ghp_", "sk-", "eyJ",
    "eyJ.", "xoxb-", "xoxb-1234567890-", "SG.", "key-", "AIza", ":AA", "1234567890:AA", "AccountKey=", "Bearer ",
    "basic a", "password=", "password = ", 'password="', "password: ", "password(", "password>", "--password=",
    "secret", "api_key", "token='", "pass", "key.", "://", "://a:b@", "://a:", "http://a", "Server=a;Password=",
    "@author ", "@author A B, ", "author: ", 'author="', "author=[", "by ", "written by A B, ", "TODO(", "TODO(a",
    "Signed-off-by: A B <", "A ", "# ", "#\n", "# a\n", "// Copyright\n", "// Copyright (c) 2011 A\n",
    "/* Copyright (c) 2011 A */\n", "/* (c) 2011 */ ", "-- (c) 2011\n", "# all rights reserved\n#\n",
    "# licence ", "# released under the ", "# Copyright A ", "copyright ", "(c) ", "(c)", "# permission\n# a\n",
    "# http", "<?php\n", "<?xml ", "#ifndef a\n", "--[[ (c) 2011 ", "/* (c)\n", ".. (c) 2011\n   a\n", "\n", "\r", " ",
    "\t", "\u0130", "ſ", "\ufeff", "\0", "\ud800", "é.", "王小明 ", "a\u2028", "[{", "https://a:b@c/",
)  # fmt: skip
# For those that must begin a text once to do harm.
HEADS = (
    "",
    "/* Copyright (c) 2011 A\n",
    "# Copyright (c) 2011 A\n",
    'password = "',
    "-----BEGIN PRIVATE KEY-----\n",
)


def shapes(size: int) -> list[str]:
    texts = [
        head + unit * (size // len(unit)) for unit in UNITS for head in HEADS[: 1 if size == SIZE else None]
    ]
    return [
        *texts,
        "/*" * (size // 4) + "*/" * (size // 4),
        '{"a":' * (size // 5),
        "x" * size + "@" + "y." * size,
    ]


def consume(languages: list[str]) -> None:
    """Redact all shapes; run in a process of its own, as a limit of CPU time is one of a process."""
    for language in languages:
        for text in shapes(SIZE if language == "" else PIECE):
            done = redact(text, language=language, filename="a.yml" if language == "YAML" else "a")
            assert len(done.text) > 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("languages", ["", "Python,C", "YAML,Pascal", "reStructuredText,Fortran"])
def test_time_is_linear(languages: str) -> None:
    code = f"from tests.corpus.redact.test_linear import consume; consume({languages.split(',')!r})"
    limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))  # noqa: E731
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, preexec_fn=limit, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
