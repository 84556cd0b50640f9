"""The table of languages, read from ``facts.json`` on first use.

``scripts/make_languages.py`` makes that file from github-linguist/linguist (MIT); it names the release.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from corpus.languages.doc_type import EXCLUDED, Detected, DocType, doc_type_of
from opencoder.errors import DataError, UserError

FACTS = Path(__file__).with_name("facts.json")


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table.

    Args:
        name: linguist's name, lower-cased; ``cpp`` and ``csharp`` for the two with a sign.
        doc_type: ``code``, ``data`` or ``text``.
        extensions: With their leading dot; the main one first.
        filenames: Whole names of files.
        interpreters: Programs that a ``#!`` line may name.
        aliases: Other names that users give it.
        excluded: No corpus takes it.
    """

    name: str
    doc_type: DocType
    extensions: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    excluded: bool = False

    @property
    def detected(self) -> Detected:
        """The answer for a file in this language."""
        return Detected(self.name, "excluded" if self.excluded else self.doc_type)


@dataclass(frozen=True, slots=True)
class Table:
    """All languages, and the ways to find them. A value of several names is an open question.

    Args:
        release: Release of linguist that the facts are from.
        languages: Rows by name.
        by_extension: Names by extension with its dot, in the spelling of linguist.
        by_folded_extension: The same in lower case.
        by_filename: Names by the whole name of a file.
        by_interpreter: Names by interpreter.
        generic: Extensions too common to trust without a look into the file.
        heuristics: Blocks of rules by lower-case extension, as in the file.
    """

    release: str
    languages: Mapping[str, Language]
    by_extension: Mapping[str, tuple[str, ...]]
    by_folded_extension: Mapping[str, tuple[str, ...]]
    by_filename: Mapping[str, tuple[str, ...]]
    by_interpreter: Mapping[str, tuple[str, ...]]
    generic: frozenset[str]
    heuristics: Mapping[str, list[dict[str, Any]]]

    def language(self, name: str) -> Language:
        """Return the row of ``name`` or of the language it is an alias of.

        Raises:
            UserError: No such language.
        """
        wanted = name.lower()
        if found := self.languages.get(wanted):
            return found
        for row in self.languages.values():
            if wanted in row.aliases:
                return row
        raise UserError(
            f"unknown language {name!r}; names are those of linguist {self.release}, in lower case"
        )


@cache
def load_table() -> Table:
    """Return the table of the installed package."""
    return read_table(FACTS)


def read_table(path: Path) -> Table:
    """Return the table in the file ``path``.

    Raises:
        DataError: It is not one that the script has made.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        rows = {name: _row(name, row) for name, row in facts["languages"].items()}
        blocks = {item: block["rules"] for block in facts["heuristics"] for item in block["extensions"]}
        release, generic = facts["release"], frozenset(facts["generic"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"not a table of languages ({error}); make it with scripts/make_languages.py", path=path
        ) from None
    return Table(
        release=release,
        languages=rows,
        by_extension=_index((item, row.name) for row in rows.values() for item in row.extensions),
        by_folded_extension=_index(
            (item.lower(), row.name) for row in rows.values() for item in row.extensions
        ),
        by_filename=_index((item, row.name) for row in rows.values() for item in row.filenames),
        by_interpreter=_index((item, row.name) for row in rows.values() for item in row.interpreters),
        generic=generic,
        heuristics=blocks,
    )


def _row(name: str, row: Mapping[str, Any]) -> Language:
    return Language(
        name=name,
        doc_type=doc_type_of(name, row["type"]),
        extensions=tuple(row.get("extensions", ())),
        filenames=tuple(row.get("filenames", ())),
        interpreters=tuple(row.get("interpreters", ())),
        aliases=tuple(row.get("aliases", ())),
        excluded=name in EXCLUDED,
    )


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for key, name in pairs:
        found.setdefault(key, {})[name] = None
    return {key: tuple(names) for key, names in found.items()}
