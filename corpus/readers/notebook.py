"""Jupyter notebooks as scripts and as markdown, without their outputs.

A script holds the code cells in the kernel's language and the text cells as comments. What only IPython
understands (``%magic``, ``!command``, ``help?``, cells of another language after ``%%``) becomes a comment,
so that the script parses where the code does. A notebook of a language without a known comment is written as
markdown. The path gets the suffix of what was made; the id stays, with ``//md`` for the second form of two.

Source: nbformat 4.5 and 3.0 (https://nbformat.readthedocs.io).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from corpus.document import Document, Unread

Notebooks = Literal["script", "markdown", "both", "drop"]

_LANGUAGES = {
    "python": (".py", "#"),
    "r": (".r", "#"),
    "julia": (".jl", "#"),
    "bash": (".sh", "#"),
    "ruby": (".rb", "#"),
    "perl": (".pl", "#"),
    "powershell": (".ps1", "#"),
    "octave": (".m", "%"),
    "matlab": (".m", "%"),
    "scala": (".scala", "//"),
    "java": (".java", "//"),
    "kotlin": (".kt", "//"),
    "groovy": (".groovy", "//"),
    "javascript": (".js", "//"),
    "typescript": (".ts", "//"),
    "c": (".c", "//"),
    "c++": (".cpp", "//"),
    "c#": (".cs", "//"),
    "f#": (".fs", "//"),
    "go": (".go", "//"),
    "rust": (".rs", "//"),
    "swift": (".swift", "//"),
    "php": (".php", "//"),
    "haskell": (".hs", "--"),
    "lua": (".lua", "--"),
    "sql": (".sql", "--"),
    "clojure": (".clj", ";"),
    "scheme": (".scm", ";"),
}
_NAMES = {
    "ir": "r",
    "ipython": "python",
    "python2": "python",
    "python3": "python",
    "sagemath": "python",
    "node": "javascript",
    "js": "javascript",
    "csharp": "c#",
    "fsharp": "f#",
    "cpp": "c++",
    "sh": "bash",
    "shell": "bash",
    "pwsh": "powershell",
    "golang": "go",
}
_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit", "%%mprun")
"""Cell magics whose cell is still Python."""
_MAGIC = re.compile(r"\s*(?:[%!]|\?{1,2}[\w.]|[\w.*]+\?{1,2}\s*$|[\w., \t*]+=\s*[%!])")
_FENCE = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Cell:
    kind: Literal["code", "text"]
    text: str


@dataclass(frozen=True, slots=True)
class _Notebook:
    language: str
    cells: tuple[_Cell, ...]


def converted(document: Document, notebooks: Notebooks) -> Iterator[Document | Unread]:
    """Yield a notebook in the wanted forms, or why there is none."""
    if notebooks == "drop":
        yield _unread(document, "notebooks are left out")
        return
    try:
        read = _parsed(document.content)
    except ValueError as error:
        yield _unread(document, f"not a notebook: {error}")
        return
    forms = ("script", "markdown") if notebooks == "both" else (notebooks,)
    if read.language not in _LANGUAGES:
        forms = ("markdown",)
    for index, form in enumerate(forms):
        suffix = ".md" if form == "markdown" else _LANGUAGES[read.language][0]
        text = _markdown(read) if form == "markdown" else _script(read)
        yield replace(
            document,
            id=document.id if index == 0 else f"{document.id}//md",
            path=(document.path or "").removesuffix(".ipynb") + suffix,
            # Half a pair of surrogates may be written in JSON, but is no text.
            content=text.encode("utf-8", "replace"),
        )


def _unread(document: Document, why: str) -> Unread:
    where = f"{document.file}" if document.line is None else f"{document.file}:{document.line}"
    return Unread(
        id=document.id,
        reason="notebook",
        detail=f"{where}: {why}",
        num_bytes=len(document.content),
        path=document.path,
        repo=document.repo,
    )


def _parsed(content: bytes) -> _Notebook:
    try:
        data = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"broken JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError("no JSON object")
    cells = data.get("cells")
    if cells is None and isinstance(sheets := data.get("worksheets"), list):
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or ()]
    if not isinstance(cells, list):
        raise ValueError("no list of cells")
    return _Notebook(_language(data, cells), tuple(_cell(cell) for cell in cells))


def _language(data: dict[str, Any], cells: Sequence[Any]) -> str:
    metadata = data.get("metadata")
    places: list[Any] = []
    if isinstance(metadata, dict):
        for name, keys in (("language_info", ("name",)), ("kernelspec", ("language", "name"))):
            part = metadata.get(name)
            places += [part.get(key) for key in keys] if isinstance(part, dict) else []
    # Format 3 names the language in each cell.
    places += [cell.get("language") for cell in cells[:50] if isinstance(cell, dict)]
    named = next((place.lower() for place in places if isinstance(place, str) and place), "python")
    return _NAMES.get(named, named)


def _cell(cell: Any) -> _Cell:
    if not isinstance(cell, dict):
        raise ValueError("a cell that is no object")
    kind = cell.get("cell_type")
    source = cell.get("source", cell.get("input", ""))
    lines = [source] if isinstance(source, str) else source
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ValueError("a cell whose source is no text")
    text = "".join(lines).replace("\r\n", "\n").replace("\r", "\n")
    if kind == "heading":
        level = cell.get("level")
        text = f"{'#' * (level if isinstance(level, int) and 0 < level < 7 else 1)} {text}"
    return _Cell("code" if kind == "code" else "text", text.strip("\n"))


def _script(notebook: _Notebook) -> str:
    sign = _LANGUAGES[notebook.language][1]
    parts = []
    for cell in notebook.cells:
        if not cell.text.strip():
            continue
        if cell.kind == "text":
            parts.append(_commented(cell.text, sign))
        elif notebook.language == "python":
            parts.append(_python(cell.text))
        else:
            parts.append(_foreign(cell.text, sign))
    return "\n\n".join(parts) + "\n" if parts else ""


def _commented(text: str, sign: str) -> str:
    # Other line ends than LF would end the comment in some languages.
    lines = re.split(r"[\n\v\f\x85\u2028\u2029]", text)
    return "\n".join(f"{sign} {line}".rstrip() for line in lines)


def _foreign(text: str, sign: str) -> str:
    if text.lstrip().startswith("%%"):
        return _commented(text, sign)
    # Lines that begin so are code in some of these languages only after others, so the first are taken.
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if not re.match(r"\s*[%!][a-z]", line)), len(lines))
    return "\n".join([*(f"{sign} {line}" for line in lines[:first]), *lines[first:]])


def _python(text: str) -> str:
    start = text.lstrip()
    if start.startswith("%%"):
        first, _, rest = start.partition("\n")
        if not first.startswith(_PYTHON_CELLS):
            return _commented(text, "#")
        return f"# {first}\n{_python(rest)}" if rest.strip() else f"# {first}"
    # A cell that parses holds no magic: a line of it that looks like one is within a string or brackets.
    return text if _parses(text) else _without_magic(text)


def _without_magic(text: str) -> str:
    lines = []
    within = False
    for line in text.split("\n"):
        if within or _MAGIC.match(line):
            indent = line[: len(line) - len(line.lstrip())]
            # A block must not become empty.
            keep = "pass  " if indent and not within else ""
            lines.append(f"{indent}{keep}# {line.lstrip()}".rstrip("\\ \t"))
            within = line.rstrip().endswith("\\")
        else:
            lines.append(line)
    return "\n".join(lines)


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _markdown(notebook: _Notebook) -> str:
    parts = []
    for cell in notebook.cells:
        if not cell.text.strip():
            continue
        if cell.kind == "text":
            parts.append(cell.text)
            continue
        # A fence is longer than those in the code.
        longest = max((len(fence) for fence in _FENCE.findall(cell.text)), default=2)
        fence = "`" * (longest + 1)
        parts.append(f"{fence}{notebook.language}\n{cell.text}\n{fence}")
    return "\n\n".join(parts) + "\n" if parts else ""
