"""What a function does, told from its syntax tree in plain sentences."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from train.builtin.library import Def, Function

_MANY = 6


def told(found: Function) -> str:
    """Return what kind of thing it is, in a word or two."""
    word = "method" if found.owner else "function"
    return f"coroutine {word}" if found.signature.startswith("async ") else word


def explanation(found: Function) -> str:
    """Return a short lesson on a function: its place, purpose, parameters, and how it gets there."""
    owner = f"the class `{found.owner}` in " if found.owner else ""
    place = f"The {told(found)} `{found.name}` belongs to {owner}the module `{found.module}`."
    return "\n\n".join([f"# How `{found.name}` works", place, found.doc, " ".join(_sentences(found))])


def _sentences(found: Function) -> Iterator[str]:
    node = ast.parse(found.body).body[0]
    if not isinstance(node, Def):
        return
    yield _parameters(node.args)
    inner = [one for statement in node.body for one in ast.walk(statement)]
    loops = [one for one in inner if isinstance(one, ast.For | ast.AsyncFor)]
    if loops:
        yield f"It goes through {_listed(_code(one.iter) for one in loops)} in a loop."
    elif any(isinstance(one, ast.While) for one in inner):
        yield "It repeats its work until a condition no longer holds."
    if tests := [one for one in inner if isinstance(one, ast.If)]:
        yield f"It decides by {_listed(_code(one.test) for one in tests)}."
    if calls := [_code(one.func) for one in inner if isinstance(one, ast.Call)]:
        yield f"It relies on {_listed(calls)}."
    if raised := [_raised(one) for one in inner if isinstance(one, ast.Raise) and one.exc]:
        yield f"It may raise {_listed(raised)}."
    results = [_code(one.value) for one in inner if isinstance(one, ast.Return) and one.value]
    if any(isinstance(one, ast.Yield | ast.YieldFrom) for one in inner):
        yield "It is a generator: its values come one by one."
    elif results:
        yield f"What comes back is {_listed(results, last='or')}."
    else:
        yield "It returns nothing; what counts is its effect."


def _parameters(args: ast.arguments) -> str:
    names = [one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    shown = [name for name in names if name not in ("self", "cls")]
    if not shown:
        return "It takes no arguments."
    num_defaults = len(args.defaults) + sum(one is not None for one in args.kw_defaults)
    optional = f", {num_defaults} of them optional" if num_defaults and len(shown) > 1 else ""
    return f"It takes {_listed(f'`{name}`' for name in shown)}{optional}."


def _raised(node: ast.Raise) -> str:
    error = node.exc
    return _code(error.func if isinstance(error, ast.Call) else error) if error else ""


def _code(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return f"`{text}`" if len(text) <= 60 else ""


def _listed(texts: Iterable[str], last: str = "and") -> str:
    """Join texts to a list of at most six different ones; what is too long to show is left out."""
    shown = [text for text in dict.fromkeys(texts) if text][:_MANY]
    if not shown:
        return "several expressions"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {last} {shown[-1]}"
