"""Decisions of the default mode on 594 files, against the released filter with its lesser faults repaired.

A file may be decided otherwise only where one of the repairs below changes what is known of it.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from corpus.explain import explain
from corpus.languages.doc_type import Detected
from corpus.text.split import lexer_of

DATA = Path(__file__).resolve().parents[4] / "shared" / "reference" / "refinecode-conformance"
COMMENTS, SYNTAX = "qsc_code_frac_chars_comments", "_cate_ast"


def cause(row: dict[str, object], found: dict[str, object]) -> str | None:
    """The repair that tells the two decisions apart."""
    hits: list[dict[str, object]] = found["hits"]  # type: ignore[assignment]
    gone = set(row["hits"]) - {hit["rule"] for hit in hits}  # type: ignore[call-overload]
    if gone == {COMMENTS} and lexer_of(str(row["program_lang"])) is None:
        return "comments of a language without a lexer end"
    if len(gone) == 1 and str(*gone).endswith(SYNTAX) and row["program_lang"] == "javascript":
        return "JavaScript of today parses"
    return None


def test_decisions_differ_only_where_a_repair_says_so(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip("no ../shared/reference with the conformance rows")
    with tarfile.open(DATA / "files.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    rows = [json.loads(line) for line in (DATA / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    causes: dict[str, int] = {}
    other = []
    for row in rows:
        detected = Detected(row["program_lang"], row["doc_type"])
        found = explain(tmp_path / row["path"], row["filename"], "default", detected=detected)
        assert found["errors"] == {}
        assert found["decision"] != "random"
        if row["fixed_decision"] in (found["decision"], "random"):
            continue
        why = cause(row, found)
        if why is None:
            other.append(f"{row['path']}: {found['decision']}, expected {row['fixed_decision']}")
        else:
            causes[why] = causes.get(why, 0) + 1
    assert not other, "\n".join(other)
    assert causes == {"comments of a language without a lexer end": 5, "JavaScript of today parses": 10}
