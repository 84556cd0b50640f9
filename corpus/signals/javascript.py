"""Signals of JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from corpus.signals.base import Signals, Value, described, lines_with, share
from corpus.signals.depth import check_depth
from corpus.signals.javascript_tree import Tree
from corpus.signals.source import Source


def cate_ast(source: Source) -> Value:
    """The file parses."""
    return float(source.javascript is not None)


def cate_var_zero(source: Source) -> Value:
    """No variable is found."""
    if source.javascript is None:
        return None
    check_depth(source.javascript.num_calls)
    return float(not source.javascript.variables)


def frac_lines_func_ratio(source: Source) -> Value:
    """Functions per code line."""
    return _per_line(source, lambda tree: len(tree.functions))


def num_statement_line(source: Source) -> Value:
    """Statements at the top, per code line; no rule uses it."""
    return _per_line(source, lambda tree: tree.num_statements)


def score_lines_no_logic(source: Source) -> Value:
    """Functions, imports, classes, simple variables and simple returns, per code line."""
    return _per_line(
        source,
        lambda tree: (
            len(tree.functions)
            + tree.num_imports
            + tree.num_simple_variables
            + tree.num_simple_returns
            + len(tree.classes)
        ),
    )


def frac_lines_print(source: Source) -> Value:
    """Code lines that print."""
    return lines_with(source, "console.log")


def legal(meaning: str, names: Callable[[Tree], Sequence[str]], pattern: str) -> Callable[[Source], Value]:
    """Signal of the names that follow a convention; no rule uses it."""
    convention = re.compile(pattern)

    def signal(source: Source) -> Value:
        if source.javascript is None:
            return None
        found = names(source.javascript)
        return share(sum(convention.match(name) is not None for name in found), len(found))

    return described(meaning, signal)


def _per_line(source: Source, count: Callable[[Tree], int]) -> Value:
    return None if source.javascript is None else share(count(source.javascript), source.num_code_lines)


SIGNALS: Signals = {
    "qsc_codejavascript_cate_ast": cate_ast,
    "qsc_codejavascript_cate_var_zero": cate_var_zero,
    "qsc_codejavascript_frac_lines_func_ratio": frac_lines_func_ratio,
    "qsc_codejavascript_num_statement_line": num_statement_line,
    "qsc_codejavascript_score_lines_no_logic": score_lines_no_logic,
    "qsc_codejavascript_frac_words_legal_var_name": legal(
        "Variables whose name begins with a small letter or a dollar sign, with letters and digits after it.",
        lambda t: t.variables,
        r"^[a-z$][a-zA-Z0-9]*$",
    ),
    "qsc_codejavascript_frac_words_legal_func_name": legal(
        "Functions whose name begins with a letter or a dollar sign, with letters and digits after it.",
        lambda t: t.functions,
        r"^[a-zA-Z$][a-zA-Z0-9]*$",
    ),
    "qsc_codejavascript_frac_words_legal_class_name": legal(
        "Classes whose name begins with a capital, with letters and digits after it.",
        lambda t: t.classes,
        r"^[A-Z][a-zA-Z0-9]*$",
    ),
    "qsc_codejavascript_frac_lines_print": frac_lines_print,
}
