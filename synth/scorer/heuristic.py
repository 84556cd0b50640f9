"""A score of Python code by rules that can be read, for use before there are labels to train on.

Five parts give up to one point each, as in the additive rubric that labels follow; three faults take points
away. The weights are set by hand, not fitted.

========== ==================================================================================
part       a point for
========== ==================================================================================
documented a docstring of some length that says what goes in or out, or comments
readable   names with a meaning, short lines, shallow nesting
substance  loops or conditions, and neither too few nor too many statements
complete   no name from elsewhere: no undefined globals, no packages, no ``self`` without its class
pure       arguments in, a value out, and no files, network or global state
trivial    -2: a getter, a stub, or no function at all
test       -2: it tests other code
generated  -3: it says so, or is mostly data
========== ==================================================================================
"""

from __future__ import annotations

import ast
import hashlib
import re
import textwrap
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from opencoder.errors import UserError
from synth.scorer.labels import HIGHEST, LOWEST
from synth.scorer.measures import threshold_of
from synth.scorer.names import outside_modules, undefined_names

MAX_CHARS = 100_000
"""Longer texts are no seed for a task, and cost much to read; they get 0."""

Function = ast.FunctionDef | ast.AsyncFunctionDef

_QUANTILES = (0.0, 0.0, 0.3, 0.55, 1.4, 2.19, 2.51, 2.83, 3.17, 3.55, 5.0)
"""Deciles over the 14,813 functions of the standard library of Python 3.11, its own tests left out."""

_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Match, ast.Try)
_BLOCKS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_CONTROL = (*_BRANCHES, ast.IfExp, ast.comprehension, ast.BoolOp)
_SHORT_NAMES = frozenset("i j k m n p q r s t x y z a b c d e f g h v w fn id lo hi ok xs ys dx dy".split())
_EFFECTS = frozenset(
    "open input exec eval exit quit breakpoint __import__ compile globals setattr delattr".split()
)
_EFFECT_MODULES = frozenset(
    "os sys subprocess socket shutil requests urllib http threading multiprocessing asyncio signal ctypes "
    "sqlite3 logging tkinter tempfile".split()
)
_PURE_PARTS = frozenset({"path", "maxsize", "version_info", "float_info", "parse"})
_SAYS_IN_OR_OUT = re.compile(
    r">>>|:param|:return|\b(?:args|arguments|parameters|returns?|yields?|raises)\b", re.I
)
_GENERATED = re.compile(
    r"@generated|\b(?:auto-?generated|generated (?:by|from|automatically)|do not edit)\b", re.I
)
_COMMENT = re.compile(r"^[^'\"#\n]*#(?!!)", re.M)


class HeuristicScorer:
    """Scores Python code by :func:`parts`. Other languages get 0, as does code that cannot be read.

    Attributes:
        name: ``heuristic``.
        sha256: Of the source files of the rules.
    """

    name = "heuristic"

    def __init__(self) -> None:
        digest = hashlib.sha256()
        for name in ("heuristic.py", "names.py"):
            digest.update(Path(__file__).with_name(name).read_bytes())
        self.sha256 = digest.hexdigest()

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return a score from 0 to 5 for each text."""
        return [total(parts(text)) for text in texts]

    def threshold(self, keep: float) -> float:
        """Return the score that the best ``keep`` of the standard library's functions have at least.

        Raises:
            UserError: Not a share from above 0 to 1.
        """
        try:
            return threshold_of(_QUANTILES, keep)
        except ValueError as error:
            raise UserError(str(error)) from error


def total(points: dict[str, float]) -> float:
    """Return the sum of the parts, from 0 to 5."""
    return round(min(HIGHEST, max(LOWEST, sum(points.values()))), 4)


def parts(code: str) -> dict[str, float]:
    """Return the points of each part by name; none for code that cannot be read.

    Args:
        code: A function or a module. Of several functions, the one with most statements is looked at, with
            all of the code around it.
    """
    code = textwrap.dedent(code)
    if len(code) > MAX_CHARS:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in the code's strings
            tree = ast.parse(code)
            nodes = list(ast.walk(tree))
            undefined = undefined_names(code, nodes)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    functions = [node for node in nodes if isinstance(node, Function)]
    bodies = [list(ast.walk(function)) for function in functions]
    sizes = [_num_statements(body) for body in bodies]
    best = max(range(len(functions)), key=sizes.__getitem__, default=None)
    main = None if best is None else functions[best]
    inside = nodes if best is None else bodies[best]
    outside = outside_modules(nodes)
    return {
        "documented": _documented(code, tree, main),
        "readable": _readable(code, inside),
        "substance": _substance(inside),
        "complete": _complete(tree, main, undefined | outside),
        "pure": _pure(main, inside, nodes),
        "trivial": -2.0 if _is_trivial(main, inside) else 0.0,
        "test": -2.0 if _is_test(functions, nodes, outside) else 0.0,
        "generated": -3.0 if _is_generated(code, nodes) else 0.0,
    }


def _documented(code: str, tree: ast.Module, main: Function | None) -> float:
    text = (ast.get_docstring(main) if main else None) or ast.get_docstring(tree) or ""
    lines = [line for line in code.splitlines() if line.strip()]
    comments = len(_COMMENT.findall(code)) / max(1, len(lines))
    points = 0.5 * min(1.0, len(text.split()) / 8)
    points += 0.25 * bool(_SAYS_IN_OR_OUT.search(text))
    # Many more comments than code: text that was commented out, or a licence.
    return round(points + 0.25 * (0.02 <= comments <= 0.4), 4)


def _readable(code: str, inside: Sequence[ast.AST]) -> float:
    names = {node.id for node in inside if isinstance(node, ast.Name)}
    names |= {node.arg for node in inside if isinstance(node, ast.arg)}
    good = sum(len(name) >= 3 or name in _SHORT_NAMES for name in names) / max(1, len(names))
    telling = sum(len(name) >= 3 for name in names) / max(1, len(names))
    lines = code.splitlines()
    short = sum(len(line) <= 100 for line in lines) / max(1, len(lines))
    shallow = 1 - 0.5 * max(0, min(2, _depth(inside[0]) - 4))
    return round(0.25 * (good + telling + short + shallow), 4)


def _depth(node: ast.AST) -> int:
    """Return how deep blocks of loops and conditions are within one another; ``elif`` is not deeper."""
    deepest = 0
    waiting: list[tuple[ast.AST, int]] = [(node, 0)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _BLOCKS):
                chained = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
                waiting.append((child, depth + (isinstance(child, _BRANCHES) and not chained)))
    return deepest


def _substance(inside: Sequence[ast.AST]) -> float:
    control = sum(isinstance(node, _CONTROL) for node in inside)
    size = _num_statements(inside)
    fits = min(1.0, (size - 1) / 5) if size <= 40 else (120 - size) / 80
    return round(0.25 * min(2, control) + 0.5 * max(0.0, fits), 4)


def _num_statements(inside: Sequence[ast.AST]) -> int:
    """Count statements, but for the first node itself and for docstrings."""
    statements = (node for node in inside[1:] if isinstance(node, ast.stmt))
    return sum(not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)) for one in statements)


def _complete(tree: ast.Module, main: Function | None, missing: set[str]) -> float:
    lone_method = main in tree.body and main is not None and _first_argument(main) in ("self", "cls")
    return round(max(0.0, 1 - 0.35 * len(missing) - 0.7 * lone_method), 4)


def _first_argument(function: Function) -> str:
    arguments = [*function.args.posonlyargs, *function.args.args]
    return arguments[0].arg if arguments else ""


def _pure(main: Function | None, inside: Sequence[ast.AST], nodes: Iterable[ast.AST]) -> float:
    if main is None:
        return 0.0
    takes = bool(main.args.posonlyargs or main.args.args or main.args.kwonlyargs or main.args.vararg)
    gives = any(
        (isinstance(one, ast.Return) and one.value is not None) or isinstance(one, ast.Yield | ast.YieldFrom)
        for one in inside
    )
    if any(map(_has_effect, nodes)):
        return round(0.1 * takes + 0.2 * gives, 4)
    return round(0.25 * takes + 0.5 * gives + 0.25, 4)


def _has_effect(node: ast.AST) -> bool:
    """Tell whether a node changes or reads what is outside of the function, as far as one node shows."""
    if isinstance(node, ast.Global | ast.Await):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in _EFFECTS
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if isinstance(node.ctx, ast.Store | ast.Del):
            return True
        return node.value.id in _EFFECT_MODULES and node.attr not in _PURE_PARTS
    return False


def _is_trivial(main: Function | None, inside: Sequence[ast.AST]) -> bool:
    if main is None:
        return True
    return _num_statements(inside) <= 2 and not any(isinstance(node, _CONTROL) for node in inside)


def _is_test(functions: Sequence[Function], nodes: Sequence[ast.AST], outside: set[str]) -> bool:
    tests = sum(
        one.name.startswith(("test_", "setUp", "tearDown")) or one.name == "test" for one in functions
    )
    if outside & {"pytest", "nose", "hypothesis"} or tests > len(functions) / 2:
        return True
    asserted = sum(
        isinstance(one, ast.Assert) or (isinstance(one, ast.Attribute) and one.attr.startswith("assert"))
        for one in nodes
    )
    return asserted > max(3, _num_statements(nodes) / 2)


def _is_generated(code: str, nodes: Sequence[ast.AST]) -> bool:
    lines = code.splitlines()
    if _GENERATED.search("\n".join(lines[:20])) or any(len(line) > 1000 for line in lines):
        return True
    constants = sum(isinstance(node, ast.Constant) for node in nodes)
    return constants > 60 and constants > len(nodes) / 3
