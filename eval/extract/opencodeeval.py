"""OpenCodeEval's rule: the longest run in the first hundred lines, written anew by ``ast.unparse``.

Differs from EvalPlus' rule in this: tabs become four spaces; one line is enough; the last definition of a
name wins, at the place of the first; decorated functions stay; annotated assignments and ``async def`` go;
of ``a.b`` only ``b`` counts as a name that is used, so what an attribute is taken from is not followed.
"""

from __future__ import annotations

import ast
import warnings

from eval.extract.base import Extraction
from eval.extract.longest import longest_program
from opencoder.records import Form

MAX_LINES = 100

Definition = ast.ClassDef | ast.FunctionDef | ast.Assign


def extract_opencodeeval(text: str, entry_point: str, prompt: str, form: Form) -> Extraction:
    """Apply the rule; a completion goes on after its prompt and two newlines, as in OpenCodeEval."""
    if form == "completion" and prompt:
        text = refine(prompt) + "\n\n" + text
    return Extraction(solution=sanitize(text, entry_point), rule="opencodeeval")


def refine(text: str) -> str:
    """Return ``text`` with four spaces for a tab, newlines only, no space around and one newline behind."""
    return text.replace("\t", "    ").replace("\r\n", "\n").replace("\r", "\n").strip() + "\n"


def sanitize(text: str, entry_point: str = "") -> str:
    """Return the program that OpenCodeEval scores for ``text``; empty where no line parses."""
    lines = refine(text).splitlines()[:MAX_LINES]
    found = longest_program(lines, min_lines=1)
    if found is None:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse("\n".join(lines[found[0] : found[1] + 1]))
    definitions = _definitions(tree)
    kept: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    wanted = _reachable(definitions, entry_point) if entry_point else set(definitions)
    kept += [node for name, node in definitions.items() if name in wanted]
    return "\n".join(ast.unparse(node) for node in kept)


def _definitions(tree: ast.Module) -> dict[str, Definition]:
    definitions: dict[str, Definition] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.FunctionDef):
            if any(isinstance(inner, ast.Return) for inner in ast.walk(node)):
                definitions[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            definitions[node.targets[0].id] = node
    return definitions


def _reachable(definitions: dict[str, Definition], entry_point: str) -> set[str]:
    reached = {entry_point}
    queue = [entry_point]
    while queue:
        node = definitions.get(queue.pop())
        for name in _used_names(node) - reached if node else ():
            reached.add(name)
            queue.append(name)
    return reached


def _used_names(node: ast.AST) -> set[str]:
    names: set[str] = set()
    stack = [node]
    while stack:
        for child in ast.iter_child_nodes(stack.pop()):
            if isinstance(child, ast.Name):
                names.add(child.id)
            elif isinstance(child, ast.Attribute):
                names.add(child.attr)
            else:
                stack.append(child)
    return names
