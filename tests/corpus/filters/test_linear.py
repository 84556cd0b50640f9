"""Texts made to be slow: each would take hours if any signal looked at them again and again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from corpus.judge import judge
from corpus.languages.doc_type import Detected

SIZE = 1_000_000
PIECE = 20_000
UNITS = (
    '"', "'", "'''", '"""', "(", "[", "{", "<", "0x", " ", "\n", "a b(", "a ", "<!--", "<script>", "(http://",
    "='a'", "main(", "class a:\n", "String a =\n", "type a struct {\n", "\\'", "/", "/*", "<<A\n", "ab ",
    "\\u0000",
    "x = ", "#", "\u3000", "\u2028", "`", "return \"", "ab,", "\0", "'\\", "int x = 1;\n", "func f(\n",
)  # fmt: skip
LANGUAGES = (
    "python",
    "c",
    "csharp",
    "java",
    "javascript",
    "go",
    "html",
    "typescript",
    "rust",
    "shell",
    "php",
    "sql",
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("language", [*LANGUAGES, "text"])
def test_no_signal_is_quadratic(language: str) -> None:
    doc_type = "text" if language == "text" else "code"
    for unit in UNITS:
        text = unit * (PIECE // len(unit))
        found = judge(text, filename="x", size_bytes=len(text), detected=Detected(language, doc_type))
        assert found.measured.errors == {}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", UNITS)
def test_a_megabyte_of_one_thing_ends(unit: str) -> None:
    text = unit * (SIZE // len(unit))
    for language in ("c", "text"):
        detected = Detected(language, "text" if language == "text" else "code")
        found = judge(text, filename="x", size_bytes=len(text), detected=detected)
        assert found.verdict.decision == "drop"


@pytest.mark.timeout(60)
def test_a_row_of_errors_ends() -> None:
    text = "lambda:" * (SIZE // 7)
    found = judge(text, filename="x", size_bytes=len(text), detected=Detected("python", "code"))
    assert found.measured.errors == {}


def test_a_line_of_japanese_fits_into_a_worker() -> None:
    code = """
import resource
from corpus.judge import judge
from corpus.languages.doc_type import Detected
from corpus.pipeline.local import WORKER_BYTES
limit = WORKER_BYTES * 5 // 8  # the rest is for documents, and what else is loaded
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
text = "これは形態素解析です。" * 240_000
found = judge(text, filename="x", size_bytes=len(text), detected=Detected("text", "text"))
assert (found.natural_language, found.measured.errors) == ("ja", {}), found.measured.errors
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


@pytest.mark.parametrize("text", ["", "\0", "\n", "\ufeff", "\ud800", "\u2028a\u2028", "a", "\r\n" * 20])
@pytest.mark.parametrize("language", [*LANGUAGES, "text"])
def test_odd_texts_are_judged(language: str, text: str) -> None:
    doc_type = "text" if language == "text" else "code"
    found = judge(text, filename="", size_bytes=len(text), detected=Detected(language, doc_type))
    assert found.verdict.decision == "drop"
    assert found.measured.errors == {}
