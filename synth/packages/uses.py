"""Where code uses names of modules: its imports, and the attribute chains that start at what they bind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_EXPECTED = {
    "AttributeError", "BaseException", "Exception", "ImportError", "ModuleNotFoundError", "TypeError",
    "DeprecationWarning", "FutureWarning", "Warning",
}  # fmt: skip
_ASKS = ("version", "type_checking", "hasattr", "platform", "find_spec", "has_", "implementation")
_CATCHES = ("raises", "suppress", "warns", "deprecated_call")


@dataclass(frozen=True, slots=True)
class Use:
    """A dotted name that code uses.

    Attributes:
        name: From the top-level module on.
        line: 1-based.
        column: 0-based.
        guarded: The code counts on it that the name may not be there: it asks for a version first, or
            catches what would be raised.
        call: The call whose function it is.
    """

    name: str
    line: int
    column: int
    guarded: bool
    call: ast.Call | None = None


def find_uses(tree: ast.AST) -> list[Use]:
    """Return what a module uses of other modules, in the order of the text.

    Only names that are bound by imports alone, and always to the same thing, are followed. Names that the
    code itself sets or asks for (``hasattr(np, "x")``) are left out.
    """
    scan = _Scan()
    scan.visit(tree)
    bound = {name: found.pop() for name, found in scan.bound.items() if len(found) == 1}
    for name in scan.rebound:
        bound.pop(name, None)
    uses = list(scan.imports)
    written: set[str] = set()
    for chain in scan.chains:
        head, *rest = chain.parts
        if head not in bound:
            continue
        name = ".".join([bound[head], *rest])
        if chain.written:
            written.add(name)
        elif rest or chain.call is not None:
            uses.append(Use(name, chain.line, chain.column, chain.guarded, chain.call))
    asked = {
        f"{'.'.join([bound[parts[0]], *parts[1:]])}.{attribute}"
        for parts, attribute in scan.asked
        if parts[0] in bound
    }
    skipped = written | asked
    kept = [
        one
        for one in uses
        if not any(one.name == name or one.name.startswith(f"{name}.") for name in skipped)
    ]
    return sorted(kept, key=lambda one: (one.line, one.column))


@dataclass(frozen=True, slots=True)
class _Chain:
    parts: list[str]
    line: int
    column: int
    guarded: bool
    call: ast.Call | None
    written: bool


class _Scan(ast.NodeVisitor):
    """Collects imports, bindings and attribute chains."""

    def __init__(self) -> None:
        self.imports: list[Use] = []
        self.bound: dict[str, set[str]] = {}
        self.rebound: set[str] = set()
        self.chains: list[_Chain] = []
        self.asked: list[tuple[list[str], str]] = []
        self._guards = 0

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(node, alias.name)
            target = alias.name if alias.asname else alias.name.partition(".")[0]
            self.bound.setdefault(alias.asname or target, set()).add(target)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or not node.module:
            self.rebound.update(alias.asname or alias.name for alias in node.names)
            return
        for alias in node.names:
            if alias.name == "*":
                self._import(node, node.module)
                self.bound.clear()  # it may have bound any of the names anew
                continue
            self._import(node, f"{node.module}.{alias.name}")
            self.bound.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")

    def _import(self, node: ast.stmt, name: str) -> None:
        self.imports.append(Use(name, node.lineno, node.col_offset, self._guards > 0))

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.rebound.add(node.id)

    def visit_arg(self, node: ast.arg) -> None:
        self.rebound.add(node.arg)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._definition(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._definition(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.rebound.add(node.name)
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.rebound.add(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self.rebound.add(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.rebound.add(node.name)

    def visit_Try(self, node: ast.Try) -> None:
        self._guarded(node, any(_catches(handler.type) for handler in node.handlers))

    def visit_If(self, node: ast.If) -> None:
        self._guarded(node, _asks(node.test))

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._guarded(node, _asks(node.test))

    def visit_With(self, node: ast.With) -> None:
        self._guarded(node, any(_is_catching(item.context_expr) for item in node.items))

    def _guarded(self, node: ast.AST, guards: bool) -> None:
        self._guards += guards
        self.generic_visit(node)
        self._guards -= guards

    def visit_Call(self, node: ast.Call) -> None:
        parts = dotted(node.func)
        if parts:
            self._chain(node.func, parts, call=node)
        else:
            self.visit(node.func)
        if parts and parts[-1] in ("hasattr", "getattr", "setattr", "delattr") and len(node.args) >= 2:
            holder, attribute = dotted(node.args[0]), node.args[1]
            if holder and isinstance(attribute, ast.Constant):
                self.asked.append((holder, str(attribute.value)))
        for given in [*node.args, *node.keywords]:
            self.visit(given)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if parts := dotted(node):
            self._chain(node, parts, written=not isinstance(node.ctx, ast.Load))
        else:
            self.generic_visit(node)

    def _chain(
        self, node: ast.expr, parts: list[str], *, call: ast.Call | None = None, written: bool = False
    ) -> None:
        self.chains.append(_Chain(parts, node.lineno, node.col_offset, self._guards > 0, call, written))


def dotted(node: ast.AST) -> list[str]:
    """Return ``a.b.c`` as its parts; nothing for an expression that is more than names and dots."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def _catches(kind: ast.expr | None) -> bool:
    return kind is None or any(name in _EXPECTED for name in _names(kind))


def _asks(test: ast.expr) -> bool:
    """Tell whether a condition asks for what there is: a version, a platform, an attribute."""
    return any(word in name.lower() for name in _names(test) for word in _ASKS)


def _is_catching(context: ast.expr) -> bool:
    return isinstance(context, ast.Call) and any(
        word in name.lower() for name in _names(context.func) for word in _CATCHES
    )


def _names(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            yield one.id
        elif isinstance(one, ast.Attribute):
            yield one.attr
