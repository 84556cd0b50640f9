"""Real code: what compiled compiles still, and no file is emptied or loses a line that is no comment."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
import warnings
from functools import cache
from pathlib import Path

import pytest

from corpus.redact.redact import redact

FILES = 300
LARGEST = 60_000


@cache
def sources() -> dict[str, str]:
    """Files of the standard library, the same ones whenever it is the same."""
    root = Path(sysconfig.get_path("stdlib"))
    found = {}
    paths = [path for path in root.rglob("*.py") if "site-packages" not in path.parts]
    for path in sorted(paths, key=lambda path: hashlib.sha256(str(path.relative_to(root)).encode()).digest()):
        if 0 < path.stat().st_size <= LARGEST and len(found) < FILES:
            # Some tests of the compiler are in other encodings.
            found[str(path.relative_to(root))] = path.read_text(encoding="utf-8", errors="replace")
    return found


def parse(text: str) -> ast.Module | None:
    with warnings.catch_warnings(action="ignore"):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError):
            return None


def test_files_compile_still() -> None:
    counts = 0
    for name, text in sources().items():
        done = redact(text, language="Python", filename=name)
        counts += sum(done.counts.values())
        assert done.text.strip() or not text.strip(), name
        assert (parse(done.text) is None) == (parse(text) is None), name
        assert redact(done.text, language="Python", filename=name).text == done.text, name
    assert counts > FILES / 10


def test_code_stays_as_it_was() -> None:
    for name, text in sources().items():
        done = redact(text, language="Python", filename=name)
        before, after = parse(text), parse(done.text)
        if before is None or after is None:
            continue
        # Names and statements are those of before; only strings may say something else.
        kinds = [[type(node) for node in ast.walk(tree)] for tree in (before, after)]
        names = [
            [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)] for tree in (before, after)
        ]
        assert names[0] == names[1], name
        # A docstring that is a licence alone goes as a whole.
        assert len(kinds[0]) - len(kinds[1]) in {0, 2}, name


@pytest.mark.parametrize(("name", "most"), [("password", 2), ("key", 2), ("ip_address", 8)])
def test_hardly_anything_is_a_secret(name: str, most: int) -> None:
    # Some tests of the standard library have them; anything more would be a wrong one.
    found = {
        path: redact(text, language="Python", filename=path).counts.get(name, 0)
        for path, text in sources().items()
    }
    assert sum(count > 0 for count in found.values()) <= most, found
