"""Whole functions and classes of Python, by its own parser, with the imports and constants that they use."""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence

from synth.split.unit import Kind, Sieve, Split, Unit

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_LINE_END = re.compile(r"\r\n|\r|\n")
_ENCODING = re.compile(r"#!|#.*coding[:=]")
_MAX_CONSTANT = 1000
"""Longest assignment that is a constant, in characters; a longer one is a table, and no context."""


def parse_python(text: str) -> ast.Module | None:
    """Parse a program; None where it cannot be, by its syntax, a zero byte, or the depth of its nesting."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that a later Python refuses
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def split_python(text: str, sieve: Sieve) -> Split:
    """Split a program into its top-level functions and classes.

    Decorators and the comments right above belong to a unit, as do all overloads of a function. A class that
    is too long gives its methods, with the head of the class as context.
    """
    body = text.removeprefix("\ufeff")
    tree = parse_python(body)
    if tree is None:
        sieve.drop("does_not_parse")
        return sieve.split()
    source = _Source(body, len(text) - len(body))
    _collect(source, tree.body, _Module(source, tree.body), sieve, outer="", heads="")
    return sieve.split()


class _Source:
    """A program with the places of its lines, which the nodes of its tree name from 1."""

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text) + 1]

    def line(self, number: int) -> str:
        return self.text[self._starts[number - 1] : self._starts[number]].rstrip("\r\n")

    def start(self, number: int) -> int:
        return self._starts[number - 1]

    def end(self, node: ast.stmt) -> int:
        """Behind the last character of ``node``, and of the comment on its last line."""
        number, column = node.end_lineno or node.lineno, node.end_col_offset or 0
        line = self.line(number)
        if not line.isascii():  # columns count bytes
            column = len(line.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "surrogatepass"))
        end = self.start(number) + column
        rest = line[column:]
        return end + len(rest.rstrip()) if rest.lstrip().startswith("#") else end

    def segment(self, node: ast.stmt) -> str:
        return self.text[self.start(_first_line(node)) : self.end(node)]


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _Definition) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _collect(
    source: _Source, body: Sequence[ast.stmt], module: _Module, sieve: Sieve, *, outer: str, heads: str
) -> None:
    last_line = 0 if not outer else body[0].lineno - 1
    for group in _groups(body):
        first, last = group[0], group[-1]
        if isinstance(first, _Definition):
            start = source.start(_comment_line(source, _first_line(first), last_line))
            text = source.text[start : source.end(last)]
            name = f"{outer}{first.name}"
            context = "\n".join(filter(None, (module.needed(group, heads), heads)))
            if isinstance(first, ast.ClassDef) and not sieve.fits(text):
                head = source.text[source.start(_first_line(first)) : _head_end(source, first)].rstrip()
                _collect(
                    source, first.body, module, sieve, outer=f"{name}.", heads=f"{heads}\n{head}".lstrip("\n")
                )
            else:
                kind: Kind = "class" if isinstance(first, ast.ClassDef) else "function"
                sieve.add(
                    Unit(
                        text=text,
                        language="python",
                        start=start + source.offset,
                        kind=kind,
                        name=name,
                        context=context,
                    )
                )
        last_line = last.end_lineno or last.lineno


def _groups(body: Iterable[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """Yield statements; overloads with their function and setters with their property are one group."""
    group: list[ast.stmt] = []
    for node in body:
        if group and not _goes_with(node, group[-1]):
            yield group
            group = []
        group.append(node)
    if group:
        yield group


def _goes_with(node: ast.stmt, last: ast.stmt) -> bool:
    if not isinstance(node, _Definition) or not isinstance(last, _Definition) or node.name != last.name:
        return False
    over = any(ast.unparse(one).rpartition(".")[2] == "overload" for one in last.decorator_list)
    part = any(ast.unparse(one).startswith(f"{node.name}.") for one in node.decorator_list)
    return over or part


def _comment_line(source: _Source, first: int, last_line: int) -> int:
    """The line of the first of the comments right above line ``first``, indented as it is."""
    indent = re.match(r"[ \t\f]*", source.line(first))
    lead = (indent.group() if indent else "") + "#"
    while first - 1 > last_line:
        line = source.line(first - 1)
        if not line.startswith(lead) or (first <= 3 and _ENCODING.match(line)):
            break
        first -= 1
    return first


def _head_end(source: _Source, node: ast.ClassDef) -> int:
    """Where the first statement of a class begins; its docstring is no part of the head."""
    first = _first_line(node.body[0])
    return source.start(first) if first > node.lineno else source.start(first) + len(source.line(first))


class _Module:
    """Imports and constants of a module, to be looked up by the names that they bind."""

    def __init__(self, source: _Source, body: Sequence[ast.stmt]) -> None:
        self._texts: dict[int, str] = {}
        self._nodes: dict[int, ast.stmt] = {}
        self._bound: dict[str, list[int]] = {}
        self._future = ""
        self._stars: list[int] = []
        defined = {node.name for node in body if isinstance(node, _Definition)}
        for number, node in enumerate(body):
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                self._future = source.segment(node)
                continue
            names = list(_binds(node))
            if not names or len(text := source.segment(node)) > _MAX_CONSTANT:
                continue
            if "*" in names:
                self._stars.append(number)
            self._texts[number], self._nodes[number] = text, node
            for name in names:
                self._bound.setdefault(name, []).append(number)
        self._known = {*self._bound, *defined, *dir(builtins)}

    def needed(self, group: Sequence[ast.stmt], heads: str) -> str:
        """The statements that bind what ``group`` and the heads of its classes use, in their order."""
        wanted = {name for node in group for name in _uses(node)}
        if heads:
            wanted |= set(re.findall(r"[^\W\d]\w*", heads))
        chosen: dict[int, set[str]] = {}
        seen: set[str] = set()
        while open_names := wanted - seen:
            seen |= open_names
            for name in open_names:
                for number in self._bound.get(name, ()):
                    if number not in chosen:
                        chosen[number] = set()
                        wanted |= set(_uses(self._nodes[number]))
                    chosen[number].add(name)
        if self._stars and seen - self._known:
            chosen |= {number: {"*"} for number in self._stars}
        lines = [self._text(number, chosen[number]) for number in sorted(chosen)]
        # What must come first comes first.
        return "\n".join([self._future, *lines] if self._future else lines)

    def _text(self, number: int, names: set[str]) -> str:
        node = self._nodes[number]
        if isinstance(node, ast.Import | ast.ImportFrom) and len(node.names) > 1:
            kept = [one for one in node.names if _bound_name(node, one) in names]
            if isinstance(node, ast.Import):
                return ast.unparse(ast.Import(names=kept))
            return ast.unparse(ast.ImportFrom(module=node.module, names=kept, level=node.level))
        return self._texts[number]


def _bound_name(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    name = alias.asname or alias.name
    return name.partition(".")[0] if isinstance(node, ast.Import) and not alias.asname else name


def _binds(node: ast.stmt) -> Iterator[str]:
    """Yield the names that an import, an assignment, or a choice between such binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (_bound_name(node, alias) for alias in node.names)
    elif isinstance(node, ast.Assign):
        targets = [one for target in node.targets for one in _flat(target)]
        if all(isinstance(one, ast.Name) for one in targets):
            yield from (one.id for one in targets if isinstance(one, ast.Name))
    elif isinstance(node, ast.AnnAssign):
        if isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id
    elif isinstance(node, ast.Try | ast.If):
        inner = [*node.body, *node.orelse]
        if isinstance(node, ast.Try):
            inner += [*node.finalbody, *(one for handler in node.handlers for one in handler.body)]
        if all(isinstance(one, ast.Import | ast.ImportFrom | ast.Assign | ast.Pass) for one in inner):
            yield from (name for one in inner for name in _binds(one))


def _flat(target: ast.expr) -> list[ast.expr]:
    return list(target.elts) if isinstance(target, ast.Tuple | ast.List) else [target]


def _uses(node: ast.stmt) -> Iterator[str]:
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))
