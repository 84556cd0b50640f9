"""Real code: what compiled compiles still, and no file is emptied or loses a line that is no comment."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from corpus.redact.redact import Redacted, redact

FILES = 300
LARGEST = 12_000


@cache
def results() -> dict[str, tuple[str, Redacted]]:
    """Files of the standard library, the same ones whenever it is the same, and what becomes of them."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = [path for path in root.rglob("*.py") if "site-packages" not in path.parts]
    paths = [path for path in paths if 0 < path.stat().st_size <= LARGEST]
    paths.sort(key=lambda path: hashlib.sha256(str(path.relative_to(root)).encode()).digest())
    # Some tests of the compiler are in other encodings.
    texts = {str(path.relative_to(root)): path.read_text("utf-8", "replace") for path in paths[:FILES]}
    return {name: (text, redact(text, language="Python", filename=name)) for name, text in texts.items()}


def parse(text: str) -> ast.Module | None:
    with warnings.catch_warnings(action="ignore"):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError):
            return None


def test_code_stays_as_it_was() -> None:
    for name, (text, done) in results().items():
        assert done.text.strip() or not text.strip(), name
        assert redact(done.text, language="Python", filename=name) == Redacted(text=done.text, counts={}), (
            name
        )
        if not done.counts:
            assert done.text == text
            continue
        before, after = parse(text), parse(done.text)
        assert (before is None) == (after is None), name
        if before is None or after is None:
            continue
        names = [
            [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)] for tree in (before, after)
        ]
        assert names[0] == names[1], name
        # Only strings may say something else; a docstring that is a licence alone goes as a whole.
        assert len(list(ast.walk(before))) - len(list(ast.walk(after))) in {0, 2}, name


def test_headers_and_addresses_are_found() -> None:
    total = sum((Counter(done.counts) for _, done in results().values()), Counter[str]())
    # Most authors of the standard library signed what they wrote.
    assert min(total["copyright_header"], total["email"], total["name"]) >= 5


@pytest.mark.parametrize(("kind", "most"), [("password", 2), ("key", 2), ("ip_address", 8)])
def test_hardly_anything_is_a_secret(kind: str, most: int) -> None:
    # Some tests of the standard library have them; anything more would be a wrong one.
    found = [name for name, (_, done) in results().items() if kind in done.counts]
    assert len(found) <= most, found
