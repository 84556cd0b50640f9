"""Hold modules and functions to a size that a reader can take in at once.

A module above 400 lines or a function above 80 fails; a function above 60 is reported. Lines are counted from
the first decorator to the last statement, blank lines and docstring included.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("opencoder", "sandbox", "corpus", "synth", "train", "eval", "scripts", "tests")
MODULE_LINES = 400
FUNCTION_LINES = 80
FUNCTION_LINES_WARNED = 60


def main() -> int:
    """Print what is too long and return 1 if anything must be split."""
    failed = False
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line, text, fatal in check(path.read_text(encoding="utf-8")):
                failed |= fatal
                print(f"{path.relative_to(ROOT)}:{line}: {'error' if fatal else 'warning'}: {text}")
    return int(failed)


def check(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yield ``(line, message, fatal)`` for everything in ``source`` that is over its budget."""
    num_lines = len(source.splitlines())
    if num_lines > MODULE_LINES:
        yield 1, f"module has {num_lines} lines, at most {MODULE_LINES}; split it", True
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        length = (node.end_lineno or first) - first + 1
        if length > FUNCTION_LINES_WARNED:
            fatal = length > FUNCTION_LINES
            yield first, f"{node.name}() has {length} lines, at most {FUNCTION_LINES}", fatal


if __name__ == "__main__":
    sys.exit(main())
