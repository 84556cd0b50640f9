"""Weakened variants of a program: one small change each, of the kinds that mutation testing uses."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Callable, Iterator

_FLIPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
"""Operators and what stands in for them."""

Change = Callable[[], None]


def _changes(tree: ast.Module) -> Iterator[Change]:
    """Yield every change that can be made to ``tree``; calling it makes it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for index, operator in enumerate(node.ops):
                if type(operator) in _FLIPPED:
                    yield lambda node=node, index=index: _flip_comparison(node, index)  # type: ignore[misc]
        elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in _FLIPPED:
            yield lambda node=node: setattr(node, "op", _FLIPPED[type(node.op)]())  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            yield lambda node=node: setattr(node, "value", node.value + 1)  # type: ignore[misc]
        elif isinstance(node, ast.Return) and node.value is not None:
            yield lambda node=node: setattr(node, "value", ast.Constant(None))  # type: ignore[misc]


def _flip_comparison(node: ast.Compare, index: int) -> None:
    flipped = _FLIPPED[type(node.ops[index])]()
    if isinstance(flipped, ast.cmpop):
        node.ops[index] = flipped


def draw(*words: object) -> float:
    """Return a number in [0, 1) that depends on the words only."""
    text = "\0".join(map(str, words)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big") / 2**56


def weaken(program: str, seed: str) -> str:
    """Return ``program`` with one change, chosen by ``seed``; it may still be right.

    Comments and layout are lost. A program that offers no place for a change comes back unchanged.
    """
    tree = copy.deepcopy(ast.parse(program))
    changes = list(_changes(tree))
    if not changes:
        return program
    changes[int(draw("place", seed) * len(changes))]()
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
