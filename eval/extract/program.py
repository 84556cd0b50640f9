"""A parsed program: what it binds, what it lacks, and which of its statements only show it off."""

from __future__ import annotations

import ast
import builtins
import symtable
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_BUILTINS = frozenset(dir(builtins))
_MODULE_NAMES = frozenset({"__name__", "__file__", "__doc__", "__annotations__", "__builtins__"})

_DYNAMIC = frozenset({"globals", "locals", "vars", "exec", "eval", "setattr", "__import__", "__builtins__"})
"""A program that calls these may need any of its statements."""

_SETTINGS = frozenset(
    {
        "sys.setrecursionlimit",
        "sys.set_int_max_str_digits",
        "threading.stack_size",
        "random.seed",
        "np.random.seed",
        "numpy.random.seed",
        "np.seterr",
        "numpy.seterr",
        "warnings.filterwarnings",
        "warnings.simplefilter",
        "setrecursionlimit",
        "seed",
    }
)
"""Calls at the top level that change how the functions below them run."""


@dataclass(frozen=True)
class Program:
    """A text and its syntax tree."""

    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, text: str) -> Program | None:
        """Return the program, or ``None`` if ``text`` is not one."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return cls(text, ast.parse(text))
            except (SyntaxError, MemoryError, RecursionError, ValueError):
                return None

    @cached_property
    def bound(self) -> frozenset[str]:
        """The names that the module binds."""
        return frozenset(name for node in self.tree.body for name in _bound_names(node))

    @cached_property
    def missing(self) -> frozenset[str]:
        """The names that are looked up in the module and that neither it nor Python provides."""
        if "*" in self.bound:
            return frozenset()
        return self._global_names - self.bound - _BUILTINS - _MODULE_NAMES

    def defines(self, name: str) -> bool:
        """Whether the module binds ``name`` to something that is more than a stub."""
        for node in self.tree.body:
            if name in _bound_names(node) and not (isinstance(node, _DEFINITIONS) and _is_stub(node)):
                return True
        return False

    def providing(self, names: frozenset[str]) -> str:
        """Return the text of the definitions and imports that bind ``names`` and what these need."""
        kinds = (*_DEFINITIONS, *_IMPORTS, ast.Assign, ast.AnnAssign, ast.Try, ast.If)
        wanted = set(names)
        found: list[ast.stmt] = []
        while new := [
            node
            for node in self.tree.body
            if node not in found and isinstance(node, kinds) and not wanted.isdisjoint(_bound_names(node))
        ]:
            found += new
            wanted.update(name for node in new for name in self._used_names(node))
        return "\n".join(self._source(node) for node in self.tree.body if node in found)

    def reduced_to(self, name: str) -> tuple[str, int]:
        """Drop the statements that ``name`` cannot need.

        Imports stay, also inside ``try`` and ``if``, and so do the calls that set how functions run, and
        every statement that binds or changes something looked up by a statement that stays. What goes:
        assertions, the ``__main__`` guard, and definitions, calls, loops and assignments whose outcome the
        function never sees. Of a program that finds names while it runs (``eval``, ``globals``) only
        assertions, the guard and calls of the function itself go.

        Returns:
            The text and the number of statements dropped.
        """
        body = self.tree.body
        if not self._scopes:
            return self.text, 0
        if self._global_names & _DYNAMIC:
            return self._cut([node for node in body if _is_for_show(node) or _demonstrates(node, name)])
        kept = [node for node in body if self._always_stays(node)]
        needed = {name} | {used for node in kept for used in self._used_names(node)}
        rest = [node for node in body if node not in kept and not _is_for_show(node)]
        while found := [node for node in rest if self._touched_names(node, name) & needed]:
            kept += found
            needed.update(used for node in found for used in self._used_names(node))
            rest = [node for node in rest if node not in found]
        return self._cut([node for node in body if node not in kept])

    @cached_property
    def _scopes(self) -> Sequence[symtable.SymbolTable]:
        """All scopes, the module's first; empty if the compiler refuses what the parser took."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                scopes = [symtable.symtable(self.text, "<program>", "exec")]
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return ()
        for scope in scopes:
            scopes += scope.get_children()
        return scopes

    @cached_property
    def _global_names(self) -> frozenset[str]:
        """The names that are looked up in the module, from anywhere."""
        module = self._scopes[0].get_symbols() if self._scopes else ()
        inner = (name for scope in self._scopes[1:] for name in _module_names(scope))
        return frozenset(inner) | {symbol.get_name() for symbol in module if symbol.is_referenced()}

    @cached_property
    def _imported(self) -> frozenset[str]:
        imports = [node for node in ast.walk(self.tree) if isinstance(node, _IMPORTS)]
        return frozenset(name for node in imports for name in _bound_names(node))

    def _always_stays(self, node: ast.stmt) -> bool:
        """Whether a statement imports, documents or sets up."""
        if _is_for_show(node) or isinstance(node, _DEFINITIONS):
            return False
        if isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant):
                return True
            return isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in _SETTINGS
        if isinstance(node, ast.Assign):
            stored = (_root(target) for target in node.targets if isinstance(target, ast.Attribute))
            return not self._imported.isdisjoint(stored)
        return any(isinstance(inner, _IMPORTS) for inner in ast.walk(node))

    def _used_names(self, node: ast.stmt) -> set[str]:
        """Return the names that a statement and the functions inside it look up in the module."""
        first, last = _first_line(node), node.end_lineno or node.lineno
        used = {inner.id for inner in _running_names(node) if isinstance(inner.ctx, ast.Load)}
        for scope in self._scopes[1:]:
            if first <= scope.get_lineno() <= last:
                used.update(_module_names(scope))
        return used

    def _touched_names(self, node: ast.stmt, entry_point: str) -> set[str]:
        """Return the names that a statement binds or whose value it may change.

        That includes what functions of the program change when the statement calls them, except the entry
        point: a call of that is a demonstration.
        """
        changed = set(_bound_names(node))
        called: set[str] = set()
        if isinstance(node, _DEFINITIONS):
            # A decorator or a base class may keep a list of what it has seen.
            bases = node.bases if isinstance(node, ast.ClassDef) else []
            called = {_root(outer) for outer in [*node.decorator_list, *bases]}
            changed |= called - self._imported
        else:
            changed |= _changed_names(node) - self._imported
            called = {_root(inner.func) for inner in ast.walk(node) if isinstance(inner, ast.Call)}
        done = {entry_point}
        while called := called - done:
            done |= called
            functions = [part for part in self.tree.body if not called.isdisjoint(_defined_names(part))]
            called = set()
            for function in functions:
                changed |= _changed_names(function) & self._used_names(function) - self._imported
                called |= {_root(inner.func) for inner in ast.walk(function) if isinstance(inner, ast.Call)}
        return changed

    def _source(self, node: ast.stmt) -> str:
        lines = self.text.split("\n")
        return "\n".join(lines[_first_line(node) - 1 : node.end_lineno])

    def _cut(self, nodes: list[ast.stmt]) -> tuple[str, int]:
        """Return the text without ``nodes``; one that shares a line with another statement stays."""
        lines: list[str | None] = list(self.text.split("\n"))
        num_cut = 0
        body = self.tree.body
        for index, node in enumerate(body):
            first, last = _first_line(node), node.end_lineno or node.lineno
            shares = (index and (body[index - 1].end_lineno or 0) >= first) or (
                index + 1 < len(body) and _first_line(body[index + 1]) <= last
            )
            if node in nodes and not shares:
                lines[first - 1 : last] = [None] * (last - first + 1)
                num_cut += 1
        return "\n".join(line for line in lines if line is not None), num_cut


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _DEFINITIONS) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _bound_names(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds in its own scope, not in that of functions inside it."""
    stack: list[ast.AST] = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, _DEFINITIONS):
            yield inner.name
            continue
        if isinstance(inner, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        if isinstance(inner, ast.alias):
            yield inner.asname or inner.name.split(".")[0]
        elif isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            yield inner.id
        elif isinstance(inner, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and inner.name:
            yield inner.name
        stack.extend(ast.iter_child_nodes(inner))


def _defined_names(node: ast.stmt) -> set[str]:
    return set(_bound_names(node)) if isinstance(node, _DEFINITIONS) else set()


def _changed_names(node: ast.stmt) -> set[str]:
    """Return the names that a statement, or the function it defines, may bind anew or change in place."""
    changed: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Global):
            changed.update(inner.names)
        elif isinstance(inner, ast.Attribute | ast.Subscript) and not isinstance(inner.ctx, ast.Load):
            changed.add(_root(inner))
        elif isinstance(inner, ast.Call):
            if isinstance(inner.func, ast.Attribute):
                changed.add(_root(inner.func))
            if _root(inner.func) not in _BUILTINS:
                changed.update(arg.id for arg in inner.args if isinstance(arg, ast.Name))
    return changed


def _running_names(node: ast.stmt) -> Iterator[ast.Name]:
    """Yield the names that a statement uses while the module runs (function bodies run later)."""
    stack: list[ast.AST] = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Name):
            yield inner
        body = inner.body if isinstance(inner, _FUNCTIONS) else []
        stack.extend(child for child in ast.iter_child_nodes(inner) if child not in body)


def _module_names(scope: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names that a function or class looks up in, or binds in, its module."""
    return (symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global())


def _is_stub(node: ast.stmt) -> bool:
    """Whether a definition has no body to speak of."""
    body = getattr(node, "body", [])
    return all(
        isinstance(inner, ast.Pass)
        or (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant))
        or (isinstance(inner, ast.Raise) and _mentions(inner, "NotImplementedError"))
        for inner in body
    )


def _is_for_show(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assert) or (isinstance(node, ast.If) and _mentions(node.test, "__name__"))


def _demonstrates(node: ast.stmt, name: str) -> bool:
    """Whether a statement calls ``name`` and is no part of making it."""
    if isinstance(node, _DEFINITIONS) or name in _bound_names(node):
        return False
    return any(isinstance(inner, ast.Call) and _root(inner.func) == name for inner in ast.walk(node))


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(node))


def _root(node: ast.AST) -> str:
    """Return the name that an attribute, item or call starts from; empty if it is not a name."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
