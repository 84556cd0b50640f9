"""Mutants of a Python program: copies with one small fault each, which good tests notice.

The operators are the classic ones: operators swapped, boundaries shifted, constants changed, conditions
turned round or fixed, results dropped (DeMillo, Lipton and Sayward, "Hints on Test Data Selection", 1978).
"""

from __future__ import annotations

import ast
import copy
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAX_MUTANTS = 12
"""More cost time and tell little more: the share of killed mutants is known to a tenth by then."""

_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


class Mutant(NamedTuple):
    """A faulty copy: what was done to it, in which line, and its source."""

    operator: str
    line: int
    source: str


class _Place(NamedTuple):
    """Where a node hangs: its parent, the field, and the place where the field is a list."""

    parent: ast.AST
    field: str
    at: int | None

    def put(self, node: ast.AST) -> None:
        """Hang a node there."""
        if self.at is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.at] = node


class _Site(NamedTuple):
    """A place for a fault: the node, where it hangs, the operator, and what that makes of a copy of it."""

    node: ast.AST
    place: _Place
    operator: str
    change: Callable[[ast.AST], ast.AST]


def make_mutants(source: str, limit: int = MAX_MUTANTS) -> list[Mutant]:
    """Return up to ``limit`` mutants of a program, each different from it and from the others.

    The operators take turns and each spreads its choice over the program, so that one long expression does
    not take all places. The choice follows from the source alone.

    Raises:
        SyntaxError: It is no Python.
    """
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    mutants: list[Mutant] = []
    for site in _in_turns(list(_sites(tree))):
        if len(mutants) == limit:
            break
        text = _mutated(tree, site)
        if text not in seen:
            seen.add(text)
            mutants.append(Mutant(site.operator, getattr(site.node, "lineno", 0), text))
    return mutants


def _in_turns(sites: list[_Site]) -> Iterator[_Site]:
    by_operator: dict[str, list[_Site]] = {}
    for site in sites:
        by_operator.setdefault(site.operator, []).append(site)
    queues = [_spread(found) for found in by_operator.values()]
    while queues:
        for queue in queues:
            yield queue.pop(0)
        queues = [queue for queue in queues if queue]


def _spread(sites: list[_Site]) -> list[_Site]:
    """Order sites so that each beginning of the list lies all over the program: middles of halves first."""
    ordered: list[_Site] = []
    spans = [(0, len(sites))]
    while spans:
        start, end = spans.pop(0)
        if start < end:
            middle = (start + end) // 2
            ordered.append(sites[middle])
            spans += [(start, middle), (middle + 1, end)]
    return ordered


def _mutated(tree: ast.Module, site: _Site) -> str:
    """Return the source with the fault; the tree is as before afterwards."""
    changed = copy.copy(site.node)
    for name, value in ast.iter_fields(changed):
        if isinstance(value, list):
            setattr(changed, name, list(value))
    site.place.put(site.change(changed))
    try:
        return ast.unparse(tree)
    finally:
        site.place.put(site.node)


def _sites(tree: ast.Module) -> Iterator[_Site]:
    fixed = _texts_and_annotations(tree)
    for node, place in _walk(tree):
        if id(node) not in fixed:
            for operator, change in _faults(node):
                yield _Site(node, place, operator, change)


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, _Place]]:
    """Yield every node with its place, level by level as ``ast.walk`` does."""
    waiting: deque[ast.AST] = deque([tree])
    while waiting:
        parent = waiting.popleft()
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.AST):
                waiting.append(value)
                yield value, _Place(parent, field, None)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, ast.AST):
                        waiting.append(item)
                        yield item, _Place(parent, field, index)


def _texts_and_annotations(tree: ast.Module) -> set[int]:
    """Return the nodes whose change no test can notice."""
    fixed: set[int] = set()
    for node in ast.walk(tree):
        roots: list[ast.AST | None] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            roots.append(node.returns)
        if isinstance(node, (ast.arg, ast.AnnAssign)):
            roots.append(node.annotation)
        for root in roots:
            if root is not None:
                fixed |= {id(inner) for inner in ast.walk(root)}
    return fixed


def _faults(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST]]]:
    """Yield what can be made wrong at a node."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _BINARY:
        yield "operator", _swap_binary
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        yield "comparison", _swap_comparison
    elif isinstance(node, ast.BoolOp):
        yield "and/or", _swap_bool
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        yield "constant", _shift_constant
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield "condition", _negate
        if not isinstance(node, ast.While):  # a loop without end says nothing of its tests
            yield "condition fixed", _fix_condition
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "result", _drop_result


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _swap_binary(node: ast.AST) -> ast.AST:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        node.op = _BINARY[type(node.op)]()
    return node


def _swap_comparison(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.Compare):
        node.ops[0] = _COMPARE[type(node.ops[0])]()
    return node


def _swap_bool(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return node


def _shift_constant(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            node.value = not value
        elif isinstance(value, (int, float)):
            node.value = value + 1
    return node


def _negate(node: ast.AST) -> ast.AST:
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
    return node


def _fix_condition(node: ast.AST) -> ast.AST:
    if isinstance(node, (ast.If, ast.IfExp)):
        node.test = ast.Constant(value=True)
    return node


def _drop_result(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.Return):
        node.value = ast.Constant(value=None)
    return node
