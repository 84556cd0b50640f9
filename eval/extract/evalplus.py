"""EvalPlus' rule: the longest run of lines that parses, reduced to what the entry point reaches.

Behaves as ``sanitize`` of evalplus 0.3.1 does, with everything that loses code: a function without
``return``, a decorated function, a tuple assignment, an ``if`` or ``try`` at the top level and any call
there are dropped, and of two definitions of a name the first is kept. evalplus finds nodes with tree-sitter;
here they come from ``ast``, so three things are not reproduced: what tree-sitter makes of a first line that
is not Python (evalplus falls back to the first line where no two lines parse), a ``return`` overlooked behind
many ``with`` statements, and code that the installed Python parses and tree-sitter does not.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

from eval.extract.base import Extraction
from eval.extract.longest import longest_program
from opencoder.records import Form

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\\]^_])")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)?")
_AFTER_STATEMENT = re.compile(rb"(?:[ \t\f]*;)?(?:[ \t\f]*#[^\n]*)?")
_COMMENT_LINE = re.compile(rb"\r?\n(?:[ \t\f]*\r?\n)*([ \t\f]*)(#[^\n]*)")
_TAB_WIDTH = 8


def extract_evalplus(text: str, entry_point: str, prompt: str, form: Form) -> Extraction:
    """Apply the rule of evalplus 0.3.1; a completion is joined to its prompt first, as evalplus does."""
    if form == "completion":
        text = prompt.strip() + "\n" + text if prompt else text
    return Extraction(solution=sanitize(text, entry_point), rule="evalplus")


def extract_evalplus_main(text: str, entry_point: str, prompt: str, form: Form) -> Extraction:
    """Apply the rule of evalplus' main branch, which first drops terminal escape sequences."""
    result = extract_evalplus(_ANSI.sub("", text), entry_point, _ANSI.sub("", prompt), form)
    return Extraction(solution=result.solution, rule="evalplus-main")


def sanitize(text: str, entry_point: str = "") -> str:
    """Return the program that evalplus 0.3.1 scores for ``text``."""
    lines = text.split("\n")
    first, last = longest_program(lines, min_lines=2) or (0, 0)
    code = "\n".join(lines[first : last + 1])
    parsed = code if last else code.lstrip()  # tree-sitter does not mind that a lone line is indented
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(parsed)
        except (SyntaxError, MemoryError, RecursionError, ValueError):
            return code
    return _reachable(parsed, tree, entry_point).strip() or code


@dataclass(slots=True)
class _Module:
    """The top-level parts that the rule keeps, as (name, text) in order of the text."""

    imports: list[str] = field(default_factory=list)
    definitions: dict[str | None, tuple[str, ast.stmt]] = field(default_factory=dict)


def _reachable(code: str, tree: ast.Module, entry_point: str) -> str:
    module = _collect(code, tree)
    wanted: set[str | None] = set(module.definitions)
    if entry_point:
        wanted = {entry_point}
        queue = [entry_point]
        while queue:
            found = module.definitions.get(queue.pop())
            for name in set(_identifiers(found[1])) - wanted if found else ():
                wanted.add(name)
                queue.append(name)
    kept = [text for name, (text, _) in module.definitions.items() if name in wanted]
    return "\n".join([*module.imports, *kept])


def _collect(code: str, tree: ast.Module) -> _Module:
    source = _Source(code)
    module = _Module()
    for node in tree.body:
        if isinstance(node, ast.Import):
            module.imports.append(source.text(node))
        elif isinstance(node, ast.ImportFrom):
            if node.module != "__future__" or node.level:
                module.imports.append(source.text(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.decorator_list or (not isinstance(node, ast.ClassDef) and not _has_return(node)):
                continue
            module.definitions.setdefault(node.name, (source.block_text(node), node))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            module.definitions.setdefault(_assigned_name(node), (source.text(node), node))
    return module


def _has_return(node: ast.stmt) -> bool:
    return any(isinstance(inner, ast.Return) for inner in ast.walk(node))


def _assigned_name(node: ast.Assign | ast.AnnAssign) -> str | None:
    """Return the name under which an assignment is known: the first bare name in it, left or right.

    So ``a.b = c`` is known as ``c``, and ``a, b = 1, 2`` has no name and is never reached.
    """
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    single = isinstance(node, ast.AnnAssign) or len(node.targets) == 1
    here = (node.lineno, node.col_offset)
    if isinstance(target, ast.Name) and (target.lineno, target.col_offset) == here:
        return target.id
    value = node.value
    end = (node.end_lineno, node.end_col_offset)
    if single and isinstance(value, ast.Name) and (value.end_lineno, value.end_col_offset) == end:
        return value.id
    return None


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Yield every identifier that is written in ``node``, whatever it stands for."""
    for inner in ast.walk(node):
        for _, value in ast.iter_fields(inner):
            if isinstance(inner, ast.Constant):
                continue
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, str):
                    yield from name.split(".")


class _Source:
    """The text of nodes, cut from the UTF-8 bytes (``ast`` counts columns in bytes)."""

    def __init__(self, code: str) -> None:
        self._bytes = code.encode()
        self._starts = [0]
        for line in _LINE.findall(self._bytes):
            self._starts.append(self._starts[-1] + len(line))

    def text(self, node: ast.stmt) -> str:
        """Return the text of a simple statement."""
        return self._bytes[self._start(node) : self._end(node)].decode()

    def block_text(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
        """Return the text of a definition with what tree-sitter counts to its block.

        That is a semicolon and a comment behind the last statement, and the comment lines that follow, up
        to the first one that is indented less than the block.
        """
        end = self._end(node)
        if match := _AFTER_STATEMENT.match(self._bytes, end):
            end = match.end()
        body = node.body[0]
        if body.lineno > node.lineno:
            indent = self._indent(self._bytes[self._starts[body.lineno - 1] :][: body.col_offset])
            while match := _COMMENT_LINE.match(self._bytes, end):
                if self._indent(match[1]) < indent:
                    break
                end = match.end()
        return self._bytes[self._start(node) : end].decode()

    def _start(self, node: ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.stmt) -> int:
        line, column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._starts[line - 1] + column

    @staticmethod
    def _indent(space: bytes) -> int:
        return sum(_TAB_WIDTH if char == ord("\t") else 1 for char in space)
