"""Which language a file is in: by name, extension, ``#!`` line and content.

The first of these that gives one answer decides:

1. the whole name of the file (``Dockerfile``, ``CMakeLists.txt``);
2. the longest extension that the table knows (``.blade.php`` before ``.php``), as spelled, then in lower
   case. ``.C`` and ``.H`` are C++. A template's ending (``.in``, ``.dist``) is looked through;
3. where an extension is shared: the interpreter of the ``#!`` line, linguist's rules on the content, an XML
   declaration, and last the language that ``FALLBACK`` names, else the one whose main extension it is, else
   the one that upstream takes, else the first by name. An extension that linguist calls generic (``.sol``,
   ``.1``) needs a rule that holds;
4. where nothing is known by then: the interpreter of the ``#!`` line, then an XML declaration.
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
    key, candidates = _candidates(table, filename.replace("\\", "/").rpartition("/")[2])
    generic = key.lower() in table.generic
    if len(candidates) == 1 and not generic:
        # The usual case, in which the content need not be looked at.
        return table.languages[candidates[0]].detected
    text = readable(head)
    if generic:
        name = disambiguate(key, text, candidates)
    else:
        name = _one_of(table, key, candidates, text) if candidates else None
    name = name or _by_content(table, text)
    return table.languages[name].detected if name else UNKNOWN


def _candidates(table: Table, base: str) -> tuple[str, tuple[str, ...]]:
    """Return the part of a file's name that the table knows, whole name or extension, and its languages."""
    # A template may be one of a template; more levels are nobody's file.
    for _ in range(3):
        if found := table.by_filename.get(base):
            return base, found
        for extension in _extensions(base):
            found = (
                _BESIDES_TABLE.get(extension)
                or table.by_extension.get(extension)
                or table.by_folded_extension.get(extension.lower())
            )
            if found:
                return extension, found
        ending = next((item for item in _TEMPLATE_ENDINGS if base.lower().endswith(item)), None)
        if ending is None:
            break
        base = base[: -len(ending)]
    return "", ()


def _extensions(base: str) -> list[str]:
    """Return the extensions of a name with their dots, the longest first; none has more than four parts."""
    parts = base.rsplit(".", 4)[1:]
    return ["." + ".".join(parts[at:]) for at in range(len(parts))]


def _one_of(table: Table, key: str, candidates: tuple[str, ...], text: str) -> str:
    """Return which of ``candidates``, the languages that share the extension or name ``key``, it is."""
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


def _by_content(table: Table, text: str) -> str | None:
    """Return the language of a file whose name says nothing, or None."""
    found = _by_shebang(table, text)
    if len(found) > 1:
        program = shebang.interpreter(text) or ""
        chosen = INTERPRETER_FALLBACK.get(program)
        return chosen if chosen in found else found[0]
    if found:
        return found[0]
    return "xml" if _is_xml(text) else None


def _by_shebang(table: Table, text: str) -> tuple[str, ...]:
    program = shebang.interpreter(text)
    return shebang.languages_of(program, table.by_interpreter) if program else ()


def _is_xml(text: str) -> bool:
    return text.lstrip().startswith("<?xml ")
