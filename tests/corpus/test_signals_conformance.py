"""Signals and decisions of 594 files, against values that the released filter gave."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from corpus.explain import explain
from corpus.languages.doc_type import Detected

DATA = Path(__file__).resolve().parents[3] / "shared" / "reference" / "refinecode-conformance"
AGREEMENT = 0.99


# jieba leaves the file of its dictionary open.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_decisions_agree(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip("no ../shared/reference with the conformance rows")
    with tarfile.open(DATA / "files.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    rows = [json.loads(line) for line in (DATA / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    other = []
    for row in rows:
        detected = Detected(row["program_lang"], row["doc_type"])
        found = explain(tmp_path / row["path"], row["filename"], detected=detected)
        if found["decision"] != row["decision"]:
            other.append(f"{row['path']}: {found['decision']}, expected {row['decision']}")
    assert len(other) <= len(rows) * (1 - AGREEMENT), "\n".join(other)
