"""The decision of OpenCoder-llm/opc_data_filtering (commit 44b857e, MIT), to the letter, from its own table.

It looks at nothing but the name, knows one language per extension, and minds case. Use it to reproduce that
program's results; ``detect`` is better at everything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from corpus.languages.doc_type import Detected, DocType

UPSTREAM = Path(__file__).with_name("upstream.json")


@dataclass(frozen=True, slots=True)
class UpstreamTables:
    """Upstream's tables.

    Args:
        by_extension: Language by extension without its dot.
        by_filename: Language by whole name.
        types: ``code``, ``data`` or ``text`` by language.
        excluded: The exclusion list as it is spelled there.
    """

    by_extension: Mapping[str, str]
    by_filename: Mapping[str, str]
    types: Mapping[str, DocType]
    excluded: frozenset[str]


@cache
def upstream_tables() -> UpstreamTables:
    """Return upstream's tables, read on first use."""
    facts = json.loads(UPSTREAM.read_text(encoding="utf-8"))
    rows = facts["languages"].items()
    return UpstreamTables(
        by_extension={item: name for name, row in rows for item in row.get("extensions", ())},
        by_filename={item: name for name, row in rows for item in row.get("filenames", ())},
        types={name: cast(DocType, row["type"]) for name, row in rows},
        excluded=frozenset(facts["excluded"]),
    )


def detect_compat(filename: str) -> Detected:
    """Return what upstream takes a file for.

    Args:
        filename: The name with its extension; folders before it are ignored.
    """
    tables = upstream_tables()
    base = filename.rpartition("/")[2]
    name = tables.by_filename.get(base) or tables.by_extension.get(Path(base).suffix[1:]) or "unknown"
    if name in tables.excluded:
        return Detected(name, "excluded")
    return Detected(name, tables.types.get(name, "unknown"))
