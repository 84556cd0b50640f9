"""What the signals of JavaScript need, by the error-tolerant grammar of tree-sitter: ES2023, JSX, ``#!``."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import tree_sitter
import tree_sitter_javascript
from tree_sitter import Node

from corpus.signals.javascript_tree import Tree
from opencoder.trees import parse as parse_tree
from opencoder.trees import text_at

BROKEN_FRAC = 0.1
"""Share of bytes that no rule of the grammar takes, above which a file does not parse."""

SIMPLE = frozenset(
    {"number", "string", "true", "false", "null", "regex", "identifier", "undefined", "unary_expression"}
)
_QUERY = """
(ERROR) @error
(function_declaration name: (identifier) @function)
(generator_function_declaration name: (identifier) @function)
(variable_declarator) @declarator
(assignment_expression left: (member_expression object: (member_expression))) @assignment
(return_statement) @return
(import_statement) @import
(class_declaration name: (identifier) @class)
"""
_Found = Mapping[str, Sequence[Node]]


@functools.cache
def _tools() -> tuple[tree_sitter.Parser, tree_sitter.Query]:
    language = tree_sitter.Language(tree_sitter_javascript.language())
    return tree_sitter.Parser(language), tree_sitter.Query(language, _QUERY)


def parse(text: str) -> Tree | None:
    """Names and counts of one file; None where much of it is no JavaScript, or all is nested too deeply."""
    parser, query = _tools()
    parsed = parse_tree(parser, query, text, most_broken=BROKEN_FRAC)
    if parsed is None:
        return None
    root, raw, found = parsed
    tree = Tree(
        functions=[text_at(node, raw) for node in found.get("function", ())],
        classes=[text_at(node, raw) for node in found.get("class", ())],
        num_imports=len(found.get("import", ())),
        num_statements=sum(child.type != "comment" for child in root.named_children),
        num_simple_returns=sum(map(_returns_simply, found.get("return", ()))),
    )
    for node in found.get("declarator", ()):
        _note_declarator(node, tree, raw)
    for node in found.get("assignment", ()):
        _note_assignment(node, tree, raw)
    return tree


def _returns_simply(node: Node) -> bool:
    values = [child for child in node.named_children if child.type != "comment"]
    return not values or values[0].type in SIMPLE


def _note_declarator(node: Node, tree: Tree, raw: bytes) -> None:
    value = node.child_by_field_name("value")
    tree.num_simple_variables += value is None or value.type in SIMPLE
    name = node.child_by_field_name("name")
    if name is None or name.type != "identifier":
        return
    # Arrows and coroutines count as variables, as where thresholds were set.
    is_function = (
        value is not None
        and value.type in ("function_expression", "generator_function")
        and not raw.startswith(b"async", value.start_byte)
    )
    (tree.functions if is_function else tree.variables).append(text_at(name, raw))


def _note_assignment(node: Node, tree: Tree, raw: bytes) -> None:
    """``module.exports.X = ...``."""
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if left is None or right is None or text_at(left.child_by_field_name("object"), raw) != "module.exports":
        return
    is_function = right.type in ("function_expression", "generator_function", "arrow_function")
    (tree.functions if is_function else tree.variables).append(
        text_at(left.child_by_field_name("property"), raw)
    )
    tree.num_simple_variables += right.type in SIMPLE
