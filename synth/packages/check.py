"""Finds what code gets wrong about a package: names it lacks, names on their way out, wrong arguments.

Only what is certain is reported. Whatever goes through an instance, through a module that makes names while
the program runs, or through a call that the code guards (``try`` … ``except ImportError``) is left alone.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from typing import Literal

import msgspec

from synth.packages.store import ApiEntry, ApiStore, Missing
from synth.packages.uses import Use, find_uses

ProblemKind = Literal["unreadable", "unknown_name", "deprecated_name", "unknown_argument"]


class NameProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that code gets wrong.

    Attributes:
        kind: ``unknown_name``, ``deprecated_name``, ``unknown_argument``; ``unreadable`` for code that is
            no Python.
        name: The qualified name.
        line: 1-based.
        column: 0-based.
        detail: The same in words, with the version of the package and what to use instead where it is known.
    """

    kind: ProblemKind
    name: str
    line: int = 0
    column: int = 0
    detail: str = ""


def check_code(code: str, store: ApiStore) -> list[NameProblem]:
    """Check the names that code uses of the packages in a store.

    Args:
        code: Python source.
        store: The packages, in the version that the code is for.

    Returns:
        Problems in the order of the text, each once; nothing about packages that are not in the store.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [
            NameProblem(kind="unreadable", name="", line=getattr(error, "lineno", 0) or 0, detail=str(error))
        ]
    found: dict[tuple[str, str], NameProblem] = {}
    for use in find_uses(tree):
        if not use.guarded:
            for problem in _problems(use, store):
                found.setdefault((problem.kind, problem.name), problem)
    return list(found.values())


def _problems(use: Use, store: ApiStore) -> Iterator[NameProblem]:
    target = store.resolve(use.name)
    if isinstance(target, Missing):
        parent = target.parent
        owner = f"{parent.distribution} {parent.version}"
        detail = f"{target.name} is not in {owner}{_hint(target)}"
        yield _problem("unknown_name", target.name, use, detail)
    elif target is not None:
        if target.deprecated:
            detail = (
                f"{use.name} is deprecated in {target.distribution} {target.version}: {target.deprecated}"
            )
            yield _problem("deprecated_name", use.name, use, detail)
        if use.call is not None:
            yield from _argument_problems(use, use.call, target)


def _argument_problems(use: Use, call: ast.Call, target: ApiEntry) -> Iterator[NameProblem]:
    if not target.exact or any(one.kind == "var_keyword" for one in target.parameters):
        return
    taken = {one.name for one in target.parameters if one.kind in ("normal", "keyword")}
    for keyword in call.keywords:
        if keyword.arg is not None and keyword.arg not in taken:
            detail = (
                f"{use.name}() of {target.distribution} {target.version} takes no argument {keyword.arg!r}: "
                f"{target.name.rpartition('.')[2]}{target.signature}"
            )
            yield _problem("unknown_argument", f"{use.name}({keyword.arg})", use, detail)


def _problem(kind: ProblemKind, name: str, use: Use, detail: str) -> NameProblem:
    return NameProblem(kind=kind, name=name, line=use.line, column=use.column, detail=detail)


def _hint(missing: Missing) -> str:
    part = missing.name.rpartition(".")[2]
    public = [one for one in missing.parent.members if not one.startswith("_")]
    close = difflib.get_close_matches(part, public, n=3, cutoff=0.75)
    return f"; it has {', '.join(close)}" if close else ""
