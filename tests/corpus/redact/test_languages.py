"""Names of languages in the rules of the transform."""

from __future__ import annotations

from corpus.languages import load_table
from corpus.redact import redact, styles
from opencoder.pii import base


def test_rules_name_languages_of_the_table() -> None:
    table = set(load_table().languages)
    groups = [base._UNQUOTED, redact._MARKUP, styles._NO_HASH]
    groups += [names for *_, names in (*styles._BLOCKS, *styles._LINES) if names is not None]
    assert {name for names in groups for name in names} - table == set()
