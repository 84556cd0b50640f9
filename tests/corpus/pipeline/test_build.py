"""``opencoder corpus build`` as a user calls it: what stays, what goes, and what is said of both."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.corpus_build import build, rows

COLUMNS = {
    "id",
    "path",
    "repo",
    "language",
    "doc_type",
    "stars",
    "commit_time",
    "license",
    "sha256",
    "content",
}


def test_all_that_was_read_is_kept_or_rejected(built: Path, summary: dict[str, Any], corpus: Path) -> None:
    kept, rejected = rows(built, "documents", "id"), rows(built, "rejects", "id")
    files = sum(path.is_file() and not path.is_symlink() for path in corpus.rglob("*"))
    assert summary["read"] == len(kept) + len(rejected)
    assert (summary["kept"], summary["rejected"]) == (len(kept), len(rejected))
    assert files <= summary["read"] <= files + 2
    assert len(kept) > 20
    ids = [row["id"] for row in kept + rejected]
    assert len(ids) == len(set(ids))


def test_every_reject_has_its_reason(built: Path) -> None:
    found = {Path(row["path"]).name: row for row in rows(built, "rejects")}
    expected = {
        "empty.py": ("preprocess", "empty"),
        "blank.py": ("preprocess", "empty"),
        "latin.py": ("preprocess", "encoding"),
        "nul.c": ("preprocess", "binary"),
        "large.txt": ("preprocess", "size"),
        "table.csv": ("preprocess", "excluded"),
        "what.zzz": ("preprocess", "unknown"),
        "small.py": ("filter", "qsc_code_num_words"),
    }
    assert {name: (found[name]["step"], found[name]["reason"]) for name in expected} == expected
    assert "qsc_code_num_lines" in found["small.py"]["rules"]
    assert found["small.py"]["value"] < found["small.py"]["threshold"] == 30


def test_duplicates_name_the_document_that_stays(built: Path) -> None:
    found = {(row["step"], row["reason"]): row for row in rows(built, "rejects") if row["kept_id"]}
    copy, near = found["exact", "copy"], found["fuzzy", "near-duplicate"]
    group = {"lib/json/decoder.py", "odd/copy.py", "odd/near.py"}
    assert {copy["path"], near["path"], copy["kept_id"]} == group
    assert copy["kept_id"] == near["kept_id"] == "lib/json/decoder.py"
    assert (copy["jaccard"], near["jaccard"]) == (1, pytest.approx(0.99, abs=0.01))


def test_documents_carry_their_columns_and_no_personal_data(built: Path, corpus: Path) -> None:
    documents = {row["path"]: row for row in rows(built, "documents")}
    assert documents.values()
    for row in documents.values():
        assert row.keys() >= COLUMNS
    plain = documents["lib/json/encoder.py"]
    raw = (corpus / "lib/json/encoder.py").read_bytes()
    assert (plain["language"], plain["doc_type"], plain["natural_language"]) == ("python", "code", "en")
    assert (plain["sha256"], plain["size_bytes"]) == (hashlib.sha256(raw).hexdigest(), len(raw))
    assert plain["content"].encode() == raw
    secret = documents["odd/secret.py"]["content"]
    assert "jane.roe" not in secret
    assert '"<email>"' in secret


def test_report_and_manifest_say_the_same_as_the_files(built: Path, summary: dict[str, Any]) -> None:
    report = json.loads((built / "report.json").read_text())
    manifest = json.loads((built / "manifest.json").read_text())
    rejected = rows(built, "rejects", "step", "reason", "rules")
    counts: dict[str, int] = {}
    for row in rejected:
        key = f"{row['step']}: {row['reason']}"
        counts[key] = counts.get(key, 0) + 1
    assert report["rejected_by"] == counts
    assert report["read"]["documents"] == report["kept"]["documents"] + report["rejected"]["documents"]
    alone = {rule["rule"]: rule["alone"] for rule in report["rules"]}
    for name, number in alone.items():
        assert number == sum(row["rules"] == [name] for row in rejected), name
    assert sum(file["rows"] for file in manifest["files"]) == summary["read"]
    for file in manifest["files"]:
        data = (built / file["path"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (file["sha256"], file["bytes"])
    assert "read" in (built / "report.html").read_text()
    assert (built / "README.md").read_text().startswith("---\n")
    assert not (built / "work").exists()


def test_a_finished_build_is_not_done_again(built: Path, corpus: Path) -> None:
    before = (built / "manifest.json").stat().st_mtime_ns
    again = build(corpus, "-o", built, "--shard-bytes", "200kB", "--json")
    assert again.returncode == 0, again.stderr
    assert "is finished" in again.stderr
    assert json.loads(again.stdout)["kept"] == len(rows(built, "documents", "id"))
    assert (built / "manifest.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--memory", "100MB"), "--memory must be at least"),
        (("--memory", "much"), "'much' is no size"),
        (("--workers", "0"), "--workers must be at least 1"),
        (("--languages", "python,klingon"), "unknown language 'klingon'"),
        (("--cap.java", "-3"), "is no possible size"),
        (("--bands", "0"), "--bands must be from 1"),
        (("--stars", "/nowhere.csv"), "/nowhere.csv"),
    ],
)
def test_wrong_settings_are_told_in_one_line(
    tmp_path: Path, corpus: Path, words: tuple[str, ...], said: str
) -> None:
    done = build(corpus, "-o", tmp_path / "out", *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert said in done.stderr


def test_a_missing_input_is_told_in_one_line(tmp_path: Path) -> None:
    done = build(tmp_path / "none", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_nothing_to_read_gives_an_empty_corpus(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = build(tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["read"] == 0
    assert (tmp_path / "out" / "manifest.json").exists()


def test_two_rows_of_one_id_are_told(tmp_path: Path) -> None:
    lines = [json.dumps({"id": "same", "path": path, "content": path}) for path in ("a.py", "b.py")]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    done = build(tmp_path / "rows.jsonl", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "error: a second document with id 'same'" in done.stderr
