"""What the signals of JavaScript need from a syntax tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import esprima

from corpus.signals.depth import released_limit

SIMPLE = ("Literal", "Identifier", "UnaryExpression")
FUNCTIONS = ("FunctionExpression", "ArrowFunctionExpression")


@dataclass(kw_only=True, slots=True)
class Tree:
    """Names and counts of one file.

    Args:
        num_calls: Nested calls that a walk over the tree by functions that call themselves needs.
    """

    functions: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    num_imports: int = 0
    num_simple_variables: int = 0
    num_simple_returns: int = 0
    num_statements: int = 0
    num_calls: int = 0


def parse(text: str) -> Tree | None:
    """Parse as a module if the text speaks of imports or exports, else or on failure as a script.

    Raises:
        Exception: The parser fails otherwise than by finding the text wrong: RecursionError where it is
            nested too deeply, or a fault of its own.
    """
    parsers = [esprima.parseScript]
    if "import" in text or "export" in text:
        parsers.insert(0, esprima.parseModule)
    for parser in parsers:
        try:
            with released_limit():
                program = parser(text)
        except esprima.Error:
            continue
        tree = Tree(num_statements=len(program.body))
        for node, level in _walk(program):
            _note(node, tree)
            tree.num_calls = max(tree.num_calls, 2 * level)
        return tree
    return None


def _walk(root: Any) -> Iterator[tuple[Any, int]]:
    """Nodes, each with its level."""
    stack = [(root, 1)]
    while stack:
        node, level = stack.pop()
        yield node, level
        for value in node.__dict__.values():
            children = value if isinstance(value, list) else (value,)
            stack.extend((child, level + 1) for child in children if isinstance(child, esprima.nodes.Node))


def _note(node: Any, tree: Tree) -> None:
    match node.type:
        case "FunctionDeclaration" if node.id:
            tree.functions.append(node.id.name)
        case "VariableDeclarator":
            _note_declarator(node, tree)
        case "AssignmentExpression" if (name := _exported(node.left)) is not None:
            (tree.functions if node.right.type in FUNCTIONS else tree.variables).append(name)
            tree.num_simple_variables += node.right.type in SIMPLE
        case "ReturnStatement":
            tree.num_simple_returns += node.argument is None or node.argument.type in SIMPLE
        case "ImportDeclaration":
            tree.num_imports += 1
        case "ClassDeclaration" if node.id:
            tree.classes.append(node.id.name)


def _note_declarator(node: Any, tree: Tree) -> None:
    tree.num_simple_variables += node.init is None or node.init.type in SIMPLE
    if node.id.type != "Identifier":
        return
    is_function = isinstance(
        node.init, esprima.nodes.FunctionExpression
    )  # coroutines are of a class of their own
    (tree.functions if is_function else tree.variables).append(node.id.name)


def _exported(left: Any) -> str | None:
    """X of module.exports.X."""
    if left.type != "MemberExpression" or left.object.type != "MemberExpression":
        return None
    inner = left.object
    if getattr(inner.object, "name", None) != "module" or getattr(inner.property, "name", None) != "exports":
        return None
    return getattr(left.property, "name", None)
