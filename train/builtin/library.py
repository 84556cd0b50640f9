"""The standard library of the running interpreter as source files and documented functions.

A tenth of the function names is held out: their functions are cut from the files and from everything made of
them, so that a model can be measured on functions that no stage has shown it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sysconfig
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from opencoder.errors import UserError

# Tests, programs of their own, third-party packages, and modules that are tables of characters or help texts.
_LEFT_OUT = frozenset(
    "test tests idlelib lib2to3 turtledemo ensurepip site-packages dist-packages encodings pydoc_data "
    "__pycache__".split()
)
_HELD_OUT_OF = 10
_MAX_LINES = 60
_MAX_CHARS = 2400

T = TypeVar("T")
Def: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class File(NamedTuple):
    """A source file.

    Attributes:
        path: Relative to the library, with slashes.
        module: Its dotted name.
        text: Its source, without the functions that are held out.
    """

    path: str
    module: str
    text: str


class Function(NamedTuple):
    """A documented function or method.

    Attributes:
        module: Dotted name of its module.
        owner: Its class; empty for a function.
        name: Its name.
        signature: Its ``def`` line in one line, without the colon.
        doc: Its docstring, cleaned.
        source: Its source with the docstring, from the left margin.
        body: Its source without the docstring.
    """

    module: str
    owner: str
    name: str
    signature: str
    doc: str
    source: str
    body: str


def held_out(name: str) -> bool:
    """Tell whether functions of this name are kept from every training set."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % _HELD_OUT_OF == 0


def files(limit: int | None = None) -> Iterator[File]:
    """Yield the files of the library in the order of their paths.

    Args:
        limit: At most so many, spread evenly over all.

    Raises:
        UserError: The interpreter has no sources.
    """
    for path, module, text in spread(list(_sources()), limit):
        yield File(path, module, _without_held_out(text))


@functools.cache
def functions() -> tuple[Function, ...]:
    """Return the documented functions of all files, of moderate length, in order; held-out ones too.

    Raises:
        UserError: The interpreter has no sources.
    """
    made: dict[str, Function] = {}
    for _, module, text in _sources():
        lines = text.splitlines()
        for owner, node in _definitions(text):
            found = _function(module, owner, node, lines)
            if found is not None:
                made.setdefault(found.source, found)
    return tuple(made.values())


def spread(items: Sequence[T], limit: int | None) -> Sequence[T]:
    """Return at most so many of the items, spread evenly over all; ``None`` for all."""
    if limit is None or limit >= len(items):
        return items
    return [items[at * len(items) // limit] for at in range(limit)]


def is_public(dotted: str) -> bool:
    """Tell whether no part of a dotted name starts with an underscore."""
    return not any(part.startswith("_") for part in dotted.split("."))


def _sources() -> Iterator[tuple[str, str, str]]:
    root = Path(sysconfig.get_path("stdlib"))
    found = 0
    for path in _walk(root):
        parts = path.relative_to(root).parts
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # a link into nowhere, or an old encoding
        if text.strip():
            found += 1
            yield "/".join(parts), ".".join((*parts[:-1], path.stem)).removesuffix(".__init__"), text
    if not found:
        raise UserError(f"{root} holds no Python sources; give data of your own to train on")


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the sources below a folder in the order of their paths, without entering what is left out."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _LEFT_OUT and not path.name.startswith("config-"):
                yield from _walk(path)
        elif path.suffix == ".py":
            yield path


def _definitions(text: str) -> Iterator[tuple[str, Def]]:
    """Yield functions and methods with the name of their class; none of a file that is no Python of today."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in old sources
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            return
    for node in tree.body:
        if isinstance(node, Def):
            yield "", node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Def):
                    yield node.name, inner


def _first_line(node: Def) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _without_held_out(text: str) -> str:
    """Cut the functions that are held out; a ``pass`` in each place keeps the file valid."""
    lines = text.splitlines(keepends=True)
    for _, node in reversed(list(_definitions(text))):
        if held_out(node.name) and node.end_lineno is not None:
            indent = " " * node.col_offset
            lines[_first_line(node) - 1 : node.end_lineno] = [f"{indent}pass\n"]
    return "".join(lines)


def _function(module: str, owner: str, node: Def, lines: list[str]) -> Function | None:
    """Return a function if it is worth a row: documented, with a body, neither too long nor too short."""
    doc = (ast.get_docstring(node) or "").strip()
    first, last = _first_line(node), node.end_lineno or node.lineno
    if len(doc) < 16 or len(node.body) < 2 or node.name.startswith("__") or last - first >= _MAX_LINES:
        return None
    source = textwrap.dedent("\n".join(lines[first - 1 : last]))
    said, after = node.body[0], node.body[1]
    said_last = said.end_lineno or said.lineno
    alone = not lines[said.lineno - 1][: said.col_offset].strip() and after.lineno > said_last
    # A text whose lines start left of the code keeps the margin where it was.
    if len(source) > _MAX_CHARS or source[0].isspace() or not alone:
        return None
    body = textwrap.dedent("\n".join(lines[first - 1 : said.lineno - 1] + lines[said_last:last]))
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    signature = f"{word} {node.name}({ast.unparse(node.args)}){returns}"
    return Function(module, owner, node.name, signature, doc, source, body)
