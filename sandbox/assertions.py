"""What assertion code holds, told without running it: its tests, and the names it takes from a solution."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass

_ROOTS = ("TestCase", "IsolatedAsyncioTestCase")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """The tests of a piece of test code.

    Args:
        classes: Test classes, in their order.
        functions: Functions ``test...`` at the top level.
        check: Whether it defines ``check(candidate)``.
        num_tests: How many tests that makes.
        num_asserts: ``assert`` statements in the text.
        may_skip: Whether some test may skip itself by its author's will.
    """

    classes: tuple[str, ...]
    functions: tuple[str, ...]
    check: bool
    num_tests: int
    num_asserts: int
    may_skip: bool

    @property
    def needs_solution_beside(self) -> bool:
        """Whether the tests can only run in the interpreter of the solution."""
        return not self.check and bool(self.classes or self.functions)


def outline(code: str) -> Outline:
    """Return the outline of ``code``.

    Raises:
        SyntaxError: The code does not parse.
    """
    tree = ast.parse(code)
    methods: dict[str, set[str]] = {}
    functions: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = [_last_name(base) for base in node.bases]
            inherited = [methods[base] for base in bases if base in methods]
            if inherited or any(base in _ROOTS for base in bases):
                methods[node.name] = _own_tests(node).union(*inherited)
        elif isinstance(node, ast.FunctionDef):
            functions.append(node.name)
    tests = tuple(name for name in dict.fromkeys(functions) if name.startswith("test"))
    classes = tuple(name for name, own in methods.items() if own)
    check = "check" in functions
    return Outline(
        classes=classes,
        functions=tests,
        check=check,
        num_tests=sum(len(methods[name]) for name in classes) + len(tests) + check,
        num_asserts=sum(isinstance(node, ast.Assert) for node in ast.walk(tree)),
        may_skip="skip" in code.casefold(),
    )


def _own_tests(node: ast.ClassDef) -> set[str]:
    methods = [part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {name for name in methods if name.startswith("test")}


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def free_names(code: str) -> list[str]:
    """Return the names that ``code`` uses but neither defines nor finds among the builtins.

    Raises:
        SyntaxError: The code does not parse.
    """
    tree = ast.parse(code)
    used: set[str] = set()
    bound = set(dir(builtins)) | {"candidate", "__name__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return sorted(used - bound)


def stub(names: list[str]) -> str:
    """Return a solution that is wrong whatever is asked: each name answers with an object like no other."""
    lines = ["class _Wrong:", "    def __call__(self, *arguments, **keywords): return _Wrong()"]
    return "\n".join([*lines, *(f"{name} = _Wrong()" for name in names)])
