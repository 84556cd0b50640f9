"""What the source of a module tells that griffe does not keep: names made at run time, warnings of disuse."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

_WARNINGS = {"DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"}
# A module that does one of these may have names that its text does not show.
_DYNAMIC = re.compile(
    r"\bglobals\(\)|\bsys\.modules\b|\bsetattr\(|\bexec\(|\b__path__\b|\bvars\(\)|\blocals\(\)"
    r"|^def __getattr__",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Looks:
    """A source file.

    Attributes:
        text: The whole of it; empty where there is none.
        is_dynamic: Whether it may have names that its text does not show.
    """

    text: str = ""
    is_dynamic: bool = True
    _messages: dict[int, str] = field(default_factory=dict)

    def decorator_text(self, line: int) -> str:
        """Return the message of a decorator ``deprecated("...")`` on the definition at ``line``.

        ``line`` is that of the first decorator or of the definition.
        """
        return self._messages.get(line, "")


def look_at(file: Path | None) -> Looks:
    """Read a source file; a missing or unreadable one has no text and counts as dynamic."""
    if file is None or file.suffix not in (".py", ".pyi"):
        return Looks()
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
        messages = _decorator_messages(ast.parse(text)) if "deprecate" in text.lower() else {}
    except (OSError, SyntaxError, ValueError, RecursionError):
        return Looks()
    return Looks(text, _DYNAMIC.search(text) is not None, messages)


def deprecation_of(text: str, first: int, last: int) -> str:
    """Return what the function on the lines ``first`` to ``last`` warns of whenever it is called.

    A warning below an ``if`` or in a ``try`` is about some way to call it, not about the function.
    """
    lines = text.split("\n")[max(0, first - 1) : last]
    if not any("Warning" in line for line in lines):
        return ""
    try:
        tree = ast.parse(_dedented(lines))
    except (SyntaxError, ValueError):
        return ""
    node = next(iter(tree.body), None)
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ""
    for statement in node.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            if _last_name(call.func) in ("warn", "warn_deprecated") and _is_of_disuse(call):
                return _first_text(call) or "deprecated"
    return ""


def _is_of_disuse(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(_last_name(one) in _WARNINGS for one in given)


def _decorator_messages(tree: ast.AST) -> dict[int, str]:
    found: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and "deprecate" in _last_name(decorator.func).lower():
                    first = min(one.lineno for one in node.decorator_list)
                    found[node.lineno] = found[first] = _first_text(decorator)
    return found


def _first_text(call: ast.Call) -> str:
    """Return the first text among the arguments; what is put into it at run time shows as ``…``."""
    for given in [*call.args, *(keyword.value for keyword in call.keywords)]:
        parts = given.values if isinstance(given, ast.JoinedStr) else [given]
        texts = [one.value if isinstance(one, ast.Constant) else "…" for one in parts]
        if any(isinstance(one, str) and one != "…" for one in texts):
            return " ".join("".join(map(str, texts)).split())
    return ""


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _dedented(lines: list[str]) -> str:
    """Cut the first line's indentation off all lines that have it (strings may not)."""
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    return "\n".join(line[indent:] if not line[:indent].strip() else line for line in lines)
