"""Which statements and branches of a program its tests reach."""

from __future__ import annotations

import ast
from typing import Any


class Trace:
    """Which statements and branches a program reaches, by calls that are put into its tree.

    Cheaper than a trace function, and it tells both outcomes of a condition in one line apart.
    """

    def __init__(self) -> None:
        self._lines: set[int] = set()
        self._branches: set[tuple[int, bool]] = set()
        self._all_lines: set[int] = set()
        self._num_conditions = 0

    def into(self, tree: ast.Module, namespace: dict[str, Any]) -> ast.Module:
        """Put the calls in, and what they call into the namespace."""
        reached, note = self._lines.add, self._branches.add

        def branch(number: int, value: Any) -> Any:
            note((number, bool(value)))
            return value

        namespace["@line"], namespace["@branch"] = reached, branch
        for node in list(ast.walk(tree)):
            self._watch_conditions(node)
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    setattr(node, name, [part for row in block for part in self._watched(row)])
        return ast.fix_missing_locations(tree)

    def told(self) -> dict[str, int]:
        """Return counts: statements and outcomes, those reached and all."""
        return {
            "lines": len(self._lines),
            "all_lines": len(self._all_lines),
            "branches": len(self._branches),
            "all_branches": 2 * self._num_conditions,
        }

    def _watched(self, statement: ast.stmt) -> list[ast.stmt]:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if is_text or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            return [statement]
        self._all_lines.add(statement.lineno)
        call = ast.Expr(_call("@line", ast.Constant(statement.lineno)))
        return [ast.copy_location(call, statement), statement]

    def _watch_conditions(self, node: ast.AST) -> None:
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, ast.Constant):
            node.test = self._condition(node.test)
        elif isinstance(node, ast.comprehension):
            node.ifs = [self._condition(test) for test in node.ifs]

    def _condition(self, test: ast.expr) -> ast.expr:
        self._num_conditions += 1
        return ast.copy_location(_call("@branch", ast.Constant(self._num_conditions), test), test)


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
