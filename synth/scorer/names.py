"""Names that Python code takes from elsewhere."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterable, Iterator

_GIVEN = {*dir(builtins), "__file__", "__builtins__", "__path__", "__annotations__"}


def undefined_names(code: str, nodes: Iterable[ast.AST]) -> set[str]:
    """Return the global names that code reads and nobody defines: no assignment, import or builtin.

    Args:
        code: A module.
        nodes: All nodes of its tree.

    Raises:
        SyntaxError: The code is broken in a way that only the compiler's scopes show.
    """
    top = symtable.symtable(code, "<code>", "exec")
    defined = {symbol.get_name() for symbol in top.get_symbols() if _binds(symbol)} | _GIVEN
    read: set[str] = set()
    for table in _tables(top):
        for symbol in table.get_symbols():
            at_top = table is top or symbol.is_global()
            if at_top and symbol.is_assigned() and symbol.is_declared_global():
                defined.add(symbol.get_name())
            if at_top and symbol.is_referenced():
                read.add(symbol.get_name())
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes):
        return set()  # whatever it reads may come from there; the import itself counts against it
    return read - defined


def outside_modules(nodes: Iterable[ast.AST]) -> set[str]:
    """Return what is imported from beyond the standard library; relative imports begin with a dot."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            found.add(name if node.level else name.partition(".")[0])
    return found - sys.stdlib_module_names - {"__future__"}


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)
