"""Which language a file is in: by name, extension, ``#!`` line and content.

The first of these that gives one answer decides:

1. the whole name of the file (``Dockerfile``, ``CMakeLists.txt``);
2. the longest extension that the table knows (``.blade.php`` before ``.php``), as spelled, then in lower
   case. ``.C`` and ``.H`` are C++. A template's ending (``.in``, ``.dist``) is looked through;
3. where an extension is shared: the interpreter of the ``#!`` line, linguist's rules on the content, an XML
   declaration, and last the language that ``FALLBACK`` names, else the one whose main extension it is, else
   the one that upstream takes, else the first by name. An extension that linguist calls generic (``.sol``,
   ``.1``) needs a rule that holds; without one the answer is ``unknown``;
4. where there is no known extension: the interpreter of the ``#!`` line, then an XML declaration.
"""

from __future__ import annotations

from corpus.languages import shebang
from corpus.languages.compat import upstream_tables
from corpus.languages.doc_type import UNKNOWN, Detected, present_name
from corpus.languages.fallback import FALLBACK, INTERPRETER_FALLBACK
from corpus.languages.heuristics import disambiguate, readable
from corpus.languages.table import Table, load_table

# What the table lacks: in lower case the first two are C, or C and C++; linguist knows ".html.eex" only.
_BESIDES_TABLE = {".C": ("cpp",), ".H": ("cpp",), ".eex": ("html+eex",)}
_TEMPLATE_ENDINGS = (".in", ".dist", ".example", ".sample", ".template", ".tmpl")


def detect(filename: str, head: bytes | str = b"") -> Detected:
    """Return the language and the document type of a file. Never raises.

    Args:
        filename: The name with its extension; folders before it are ignored.
        head: The start of its content; 16 KiB are enough. Invalid UTF-8 and NULs do no harm.
    """
    table = load_table()
    base = filename.replace("\\", "/").rpartition("/")[2]
    text = readable(head)
    name = _by_name(table, base, text) or _by_content(table, text)
    return table.languages[name].detected if name in table.languages else UNKNOWN


def _by_name(table: Table, base: str, text: str) -> str | None:
    """Return the language that the name of a file stands for, ``unknown`` if no content can help, or None."""
    if found := table.by_filename.get(base):
        return _one_of(table, base, found, text)
    for extension in _extensions(base):
        found = (
            _BESIDES_TABLE.get(extension)
            or table.by_extension.get(extension)
            or table.by_folded_extension.get(extension.lower())
        )
        if found is None:
            continue
        if extension.lower() in table.generic:
            return disambiguate(extension, text, found) or UNKNOWN.language
        return _one_of(table, extension, found, text)
    for ending in _TEMPLATE_ENDINGS:
        if base.lower().endswith(ending) and len(base) > len(ending):
            return _by_name(table, base[: -len(ending)], text)
    return None


def _extensions(base: str) -> list[str]:
    """Return the extensions of a name with their dots, the longest first; none has more than four parts."""
    parts = base.rsplit(".", 4)[1:]
    return ["." + ".".join(parts[at:]) for at in range(len(parts))]


def _one_of(table: Table, key: str, candidates: tuple[str, ...], text: str) -> str:
    """Return which of ``candidates``, the languages that share the extension or name ``key``, it is."""
    if len(candidates) == 1:
        return candidates[0]
    named = [name for name in _by_shebang(table, text) if name in candidates]
    if len(named) == 1:
        return named[0]
    if found := disambiguate(key, text, candidates):
        return found
    if "xml" in candidates and _is_xml(text):
        return "xml"
    return _fallback(table, key, candidates)


def _fallback(table: Table, key: str, candidates: tuple[str, ...]) -> str:
    folded = key.lower()
    chosen = FALLBACK.get(folded)
    if chosen in candidates:
        return chosen
    main = [name for name in candidates if table.languages[name].extensions[:1] == (folded,)]
    if len(main) == 1:
        return main[0]
    upstream = present_name(upstream_tables().by_extension.get(folded[1:], ""))
    return upstream if upstream in candidates else min(candidates)


def _by_content(table: Table, text: str) -> str:
    """Return the language of a file whose name says nothing, or ``unknown``."""
    found = _by_shebang(table, text)
    if len(found) > 1:
        program = shebang.interpreter(text) or ""
        chosen = INTERPRETER_FALLBACK.get(program)
        return chosen if chosen in found else found[0]
    if found:
        return found[0]
    return "xml" if _is_xml(text) else UNKNOWN.language


def _by_shebang(table: Table, text: str) -> tuple[str, ...]:
    program = shebang.interpreter(text)
    return shebang.languages_of(program, table.by_interpreter) if program else ()


def _is_xml(text: str) -> bool:
    return text.lstrip().startswith("<?xml ")
