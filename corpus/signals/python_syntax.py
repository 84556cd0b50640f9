"""What the signals of Python need, from the error-tolerant grammar of tree-sitter: Python 2.7 to 3.13.

So the interpreter that runs the filter has no say in what is Python.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tree_sitter
from tree_sitter import Node

from opencoder.errors import DependencyError
from opencoder.trees import parse as parse_tree
from opencoder.trees import text_at

BROKEN_FRAC = 0.02
"""Share of bytes that no rule of the grammar takes, above which a file does not parse."""

_QUERY = """
(ERROR) @error
(function_definition) @function
(class_definition) @class
(assignment left: (identifier) !type) @assigned
(for_statement left: (identifier)) @for
(comment) @comment
"""
_ARGUMENTS = ("identifier", "default_parameter", "typed_parameter", "typed_default_parameter")
_Found = Mapping[str, Sequence[Node]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Names and counts of one file.

    Args:
        num_functions: Coroutines apart.
        num_classes: All.
        num_simple_functions: Functions that only return.
        num_class_variables: Names assigned directly in the bodies of classes that are in no other class.
        has_variables: Something is assigned to a name, looped over, or taken as an argument.
        comments: Docstrings, and comments without their signs.
    """

    num_functions: int
    num_classes: int
    num_simple_functions: int
    num_class_variables: int
    has_variables: bool
    comments: str


@functools.cache
def _tools() -> tuple[tree_sitter.Parser, tree_sitter.Query]:
    try:
        import tree_sitter_python
    except ImportError as error:
        raise DependencyError(
            f"the grammar of Python is missing: {error}", repair="pip install 'opencoder[corpus]'"
        ) from None
    language = tree_sitter.Language(tree_sitter_python.language())
    return tree_sitter.Parser(language), tree_sitter.Query(language, _QUERY)


def parse(text: str) -> Facts | None:
    """Names and counts of one file; None where too much of it is no Python, or all is nested too deeply."""
    parser, query = _tools()
    parsed = parse_tree(parser, query, text, most_broken=BROKEN_FRAC)
    if parsed is None:
        return None
    root, raw, found = parsed
    functions = [node for node in found.get("function", ()) if node.children[0].type != "async"]
    classes = found.get("class", ())
    variables = (
        "assigned" in found
        or any(node.children[0].type != "async" for node in found.get("for", ()))
        or any(_takes_arguments(node, raw) for node in functions)
    )
    docstrings = [
        _docstring(body, raw) for body in [root, *map(_body, (*functions, *classes))] if body is not None
    ]
    comments = "".join(text_at(node, raw) for node in sorted(found.get("comment", ()), key=_start)).replace(
        "#", ""
    )
    return Facts(
        num_functions=len(functions),
        num_classes=len(classes),
        num_simple_functions=sum(map(_only_returns, functions)),
        num_class_variables=sum(map(_num_variables, classes)),
        has_variables=variables,
        comments=("\n".join(filter(None, docstrings)) + "\n" + comments).strip(),
    )


def _start(node: Node) -> int:
    return node.start_byte  # captures come in no certain order


def _body(node: Node) -> Node | None:
    return node.child_by_field_name("body")


def _statements(body: Node | None) -> list[Node]:
    return [child for child in body.named_children if child.type != "comment"] if body else []


def _takes_arguments(function: Node, raw: bytes) -> bool:
    parameters = function.child_by_field_name("parameters")
    first = parameters.named_children[:1] if parameters else []
    return bool(first) and first[0].type in _ARGUMENTS and not raw.startswith(b"*", first[0].start_byte)


def _only_returns(function: Node) -> bool:
    statements = _statements(_body(function))
    return len(statements) == 1 and statements[0].type == "return_statement"


def _docstring(body: Node, raw: bytes) -> str:
    first = next((child for child in body.named_children if child.type != "comment"), None)
    if first is None or first.type != "expression_statement" or len(first.named_children) != 1:
        return ""
    value = first.named_children[0]
    if value.type != "string":
        return ""
    inner = "".join(text_at(child, raw) for child in value.children if child.type == "string_content")
    return inspect.cleandoc(inner)


def _num_variables(node: Node) -> int:
    parent = node.parent
    while parent is not None:
        if parent.type == "class_definition":
            return 0
        parent = parent.parent
    found = 0
    for statement in _statements(_body(node)):
        value = statement.named_children[0] if statement.type == "expression_statement" else None
        while value is not None and value.type == "assignment":
            left = value.child_by_field_name("left")
            found += left is not None and left.type == "identifier"
            value = value.child_by_field_name("right")
    return found
