"""Signals of Python, by the syntax tree of the running interpreter."""

from __future__ import annotations

import ast
import re

from corpus.signals.base import Signals, Value, count_lines, lines_with, share
from corpus.signals.depth import CALLS, check_depth
from corpus.signals.source import Source

# A bare return takes the line after it along, so that two returns in a row are one.
RETURN = re.compile(r"^[^\S\n]*+return(?:\s++.*)?$", re.MULTILINE)


def cate_ast(source: Source) -> Value:
    """The file parses."""
    return float(source.python_tree is not None)


def frac_lines_func_ratio(source: Source) -> Value:
    """Functions per code line; coroutines are none."""
    if source.python_tree is None:
        return None
    if not source.num_code_lines:
        return None
    check_depth(_calls(source))
    return share(len(_functions(source)), source.num_code_lines)


def cate_var_zero(source: Source) -> Value:
    """Nothing is assigned to a name, looped over, or taken as an argument."""
    if source.python_tree is None:
        return None
    return not any(map(_names_something, source.python_nodes))


def frac_lines_pass(source: Source) -> Value:
    """Code lines that hold "pass", in a word too."""
    return share(_with_letters(source, "pass"), source.num_code_lines, 0.0)


def frac_lines_import(source: Source) -> Value:
    """Code lines that hold "import"."""
    return share(_with_letters(source, "import"), source.num_code_lines, 0.0)


def frac_lines_simplefunc(source: Source) -> Value:
    """Functions that only return, per code line; the only share that is not rounded."""
    if source.python_tree is None or not source.num_code_lines:
        return None
    simple = sum(
        len(function.body) == 1 and isinstance(function.body[0], ast.Return)
        for function in _functions(source)
    )
    return simple / source.num_code_lines


def score_lines_no_logic(source: Source) -> Value:
    """Functions, imports, classes, simple variables and returns, per code line."""
    tree = source.python_tree
    if tree is None:
        return None
    imports = _with_letters(source, "import")
    classes = sum(isinstance(node, ast.ClassDef) for node in source.python_nodes)
    returns = len(RETURN.findall(source.parts.code))
    found = len(_functions(source)) + imports + classes + _class_variables(tree) + returns
    return share(found, source.num_code_lines)


def frac_lines_print(source: Source) -> Value:
    """Code lines that hold "print"."""
    return lines_with(source, "print")


def _with_letters(source: Source, word: str) -> int:
    """Code lines that hold ``word`` in any case, ImportError for "import" too."""
    return count_lines(source.code_lower, (word,))


def _names_something(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Name) for target in targets)
        case ast.For(target=target):
            return isinstance(target, ast.Name)
        case ast.FunctionDef(args=arguments):
            return bool(arguments.args)
    return False


def _calls(source: Source) -> int:
    """Nested calls of an ``ast.NodeVisitor`` that looks at functions: two a level, three at a function."""
    if source.python_tree is None or 3 * len(source.python_nodes) < CALLS:
        return 0
    deepest = 0
    stack: list[tuple[ast.AST, int]] = [(source.python_tree, 0)]
    while stack:
        node, calls = stack.pop()
        calls += 3 if isinstance(node, ast.FunctionDef) else 2
        deepest = max(deepest, calls)
        stack.extend((child, calls) for child in ast.iter_child_nodes(node))
    return deepest


def _functions(source: Source) -> list[ast.FunctionDef]:
    return [node for node in source.python_nodes if isinstance(node, ast.FunctionDef)]


def _class_variables(tree: ast.Module) -> int:
    """Names assigned directly in the bodies of classes that are in no other class."""
    num_names = 0
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if not isinstance(node, ast.ClassDef):
            stack.extend(ast.iter_child_nodes(node))
            continue
        for statement in node.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if isinstance(statement, ast.AnnAssign):
                targets = [statement.target]
            num_names += sum(isinstance(target, ast.Name) for target in targets)
    return num_names


SIGNALS: Signals = {
    "qsc_codepython_cate_ast": cate_ast,
    "qsc_codepython_frac_lines_func_ratio": frac_lines_func_ratio,
    "qsc_codepython_cate_var_zero": cate_var_zero,
    "qsc_codepython_frac_lines_pass": frac_lines_pass,
    "qsc_codepython_frac_lines_import": frac_lines_import,
    "qsc_codepython_frac_lines_simplefunc": frac_lines_simplefunc,
    "qsc_codepython_score_lines_no_logic": score_lines_no_logic,
    "qsc_codepython_frac_lines_print": frac_lines_print,
}
