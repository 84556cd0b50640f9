from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus.languages import Detected, default_languages, detect, detect_compat, load_table
from corpus.languages.compat import upstream_tables
from corpus.languages.default_set import PAPER_COUNT, hidden_languages
from corpus.languages.doc_type import EXCLUDED, UPSTREAM_TO_LINGUIST, doc_type_of, present_name

CONFORMANCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "refinecode-conformance"

# Where the default mode differs from upstream's on those files: (suffix, upstream, default) -> count.
# Extensions that upstream gives to one language of several, its truncated ones (.in, .dist), names and case.
DIFFERENCES = {
    (".1", "roff", "roff manpage"): 5,
    (".1.in", "cmake", "roff manpage"): 1,
    (".PY", "unknown", "python"): 1,
    (".cfg", "haproxy", "ini"): 4,
    (".cgi", "perl", "shell"): 1,
    (".h", "c", "cpp"): 12,
    (".inc", "assembly", "cpp"): 1,
    (".m4", "m4", "m4sugar"): 2,
    (".neon.dist", "xml", "neon"): 1,
    (".pc.in", "cmake", "pkg-config"): 1,
    (".plist", "openstep property list", "xml property list"): 2,
    (".rc.in", "cmake", "unknown"): 1,
    ("requirements.txt", "text", "pip requirements"): 1,
    ("robots.txt", "robots.txt", "robots exclusion rules"): 2,
}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(read_rows("rows.jsonl"))


def read_rows(name: str) -> Iterator[dict[str, Any]]:
    if not (CONFORMANCE / name).is_file():
        pytest.skip("no ../shared/reference with the conformance rows")
    with (CONFORMANCE / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.mark.parametrize(("name", "count"), [("rows.jsonl", 594), ("rows-upstream-testdata.jsonl", 120)])
def test_every_conformance_row_is_decided_as_upstream_does(name: str, count: int) -> None:
    rows = list(read_rows(name))
    assert len(rows) == count
    wrong = {
        row["path"]: detect_compat(row["filename"])
        for row in rows
        if detect_compat(row["filename"]) != Detected(row["program_lang"], row["doc_type"])
    }
    assert not wrong


def test_default_differs_only_where_upstream_is_known_to_be_wrong(rows: list[dict[str, Any]]) -> None:
    found: dict[tuple[str, str, str], int] = {}
    with tarfile.open(CONFORMANCE / "files.tar.gz") as archive:
        for row in rows:
            content = archive.extractfile(row["path"])
            assert content is not None
            language = detect(row["filename"], content.read()).language
            if language != row["program_lang"]:
                key = (suffix(row["filename"]), row["program_lang"], language)
                found[key] = found.get(key, 0) + 1
    assert found == DIFFERENCES


def suffix(filename: str) -> str:
    known = sorted({key[0] for key in DIFFERENCES}, key=len, reverse=True)
    return next((item for item in known if filename.endswith(item)), filename)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("a.py", Detected("python", "code")),
        ("folder.js/a.cpp", Detected("cpp", "code")),
        ("CMakeLists.txt", Detected("cmake", "code")),
        ("a.PY", Detected("unknown", "unknown")),
        ("a.C", Detected("cpp", "code")),
        ("a.csv", Detected("csv", "excluded")),
        # Bugs that are kept: one language per extension, the exclusion that never matches, endings cut short.
        ("a.m", Detected("limbo", "code")),
        ("a.gbr", Detected("gerber image", "data")),
        ("poetry.lock", Detected("toml", "data")),
        ("other.lock", Detected("json", "data")),
        (".py", Detected("unknown", "unknown")),
        ("", Detected("unknown", "unknown")),
    ],
)
def test_compat(filename: str, expected: Detected) -> None:
    assert detect_compat(filename) == expected


def test_upstream_tables_have_the_published_counts() -> None:
    tables = upstream_tables()
    assert (len(tables.by_extension), len(tables.by_filename), len(tables.types)) == (1347, 369, 731)
    assert len({*tables.by_extension.values(), *tables.by_filename.values()}) == 644


def test_default_set_is_what_upstream_reaches_and_does_not_exclude() -> None:
    assert len(default_languages()) == 610 == PAPER_COUNT + 3
    assert default_languages() - load_table().languages.keys() == {"prover9"}
    assert default_languages() & EXCLUDED == {"gerber image"}
    assert {"objective-c", "solidity", "gdscript"} <= hidden_languages()
    assert not hidden_languages() & (default_languages() | EXCLUDED)


def test_upstream_names_are_in_the_table_but_for_the_renamed() -> None:
    table = load_table()
    types = upstream_tables().types
    differ = {name for name in types if name not in table.languages} | {"cpp", "csharp"}
    assert differ == UPSTREAM_TO_LINGUIST.keys()
    assert {present_name(name) for name in types} - table.languages.keys() == {"prover9"}


def test_document_types_follow_from_linguists_and_agree_with_upstream() -> None:
    table = load_table()
    for name, doc_type in upstream_tables().types.items():
        if name != "prover9":
            assert table.languages[present_name(name)].doc_type == doc_type, name
    assert doc_type_of("a new one", "markup") == "code"


def test_exclusion_list_is_upstreams_with_the_slip_mended() -> None:
    upstream = {present_name(name.lower()) for name in upstream_tables().excluded}
    assert upstream == EXCLUDED
    assert load_table().languages.keys() >= EXCLUDED
