"""Rows: layouts of data sets, rows that are wrong, rows that are too large."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.document import Document, Unread
from corpus.readers.plan import plan_inputs
from corpus.readers.read import read_shard
from opencoder.errors import DataError

TIME = datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
MICROSECONDS = 1683356889000000

LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "own": (
        {
            "id": "a",
            "path": "b.py",
            "repo": "c/d",
            "content": "x",
            "stars": 3,
            "commit_time": "2023-05-06T07:08:09Z",
        }
        | {"license": "mit", "language": "python"},
        {"id": "a", "path": "b.py", "repo": "c/d", "stars": 3, "commit_time": MICROSECONDS, "license": "MIT"},
    ),
    "the-stack": (
        {"hexsha": "5f", "size": 1, "ext": "py", "lang": "Python", "max_stars_repo_path": "b.py"}
        | {"max_stars_repo_name": "c/d", "max_stars_repo_head_hexsha": "6e", "max_stars_count": 7}
        | {"max_stars_repo_licenses": ["MIT", "Apache-2.0"], "max_issues_count": None}
        | {"max_stars_repo_stars_event_min_datetime": "2020-01-01T00:00:00.000Z", "content": "x"},
        {"id": "5f", "path": "b.py", "repo": "c/d", "stars": 7, "license": "Apache-2.0 AND MIT"},
    ),
    "starcoderdata": (
        {"max_stars_repo_path": "b.py", "max_stars_repo_name": "c/d", "max_stars_count": 7, "id": "12"}
        | {"content": "x"},
        {"id": "NAME:12", "path": "b.py", "repo": "c/d", "stars": 7},
    ),
    "the-stack-v2": (
        {
            "blob_id": "5f",
            "directory_id": "6e",
            "path": "/b.py",
            "content_id": "7d",
            "license_type": "permissive",
        }
        | {"detected_licenses": ["MIT"], "repo_name": "c/d", "star_events_count": 9, "gha_license_id": None}
        | {
            "committer_date": "2023-05-06T07:08:09",
            "revision_date": "2023-05-07T00:00:00",
            "src_encoding": "UTF-8",
        }
        | {"visit_date": "2023-08-01T00:00:00", "length_bytes": 1, "content": "x"},
        {
            "id": "5f",
            "path": "/b.py",
            "repo": "c/d",
            "stars": 9,
            "license": "MIT",
            "commit_time": MICROSECONDS,
        },
    ),
    "github-code": (
        {
            "code": "x",
            "repo_name": "c/d",
            "path": "b.py",
            "language": "Python",
            "license": "gpl-3.0",
            "size": 1,
        },
        {"id": "c/d/b.py", "path": "b.py", "repo": "c/d", "license": "GPL-3.0-only"},
    ),
    "codeparrot-clean": (
        {
            "repo_name": "c/d",
            "path": "b.py",
            "copies": "1",
            "size": "1",
            "content": "x",
            "license": "mit",
            "hash": "1",
        },
        {"id": "c/d/b.py", "path": "b.py", "repo": "c/d", "license": "MIT"},
    ),
}


def read(path: Path, **options: Any) -> list[Document | Unread]:
    plan = plan_inputs([str(path)])
    return [found for shard in plan.shards for found in read_shard(shard, **options)]


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_layouts(name: str, suffix: str, tmp_path: Path) -> None:
    row, wanted = LAYOUTS[name]
    path = tmp_path / f"rows.{suffix}"
    if suffix == "jsonl":
        path.write_text(json.dumps(row) + "\n")
    else:
        for key in ("committer_date", "revision_date", "visit_date"):
            row = row | ({key: datetime.fromisoformat(str(row[key]))} if key in row else {})
        table = pa.Table.from_pylist([row])
        for index, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type):
                table = table.set_column(index, field.name, table.column(index).cast(pa.timestamp("ns")))
        pq.write_table(table, path)
    (found,) = read(path)
    unset = {"repo": None, "stars": None, "commit_time": None, "license": None}
    wanted = unset | wanted | {"id": wanted["id"].replace("NAME", path.name)}
    assert isinstance(found, Document)
    assert {key: getattr(found, key) for key in wanted} == wanted
    assert (found.content, found.file, found.line) == (b"x", path, 1)


def test_contents_in_another_encoding(tmp_path: Path) -> None:
    rows = [
        {"blob_id": "a", "path": "a", "src_encoding": "ISO-8859-1", "content": "é".encode("latin-1")},
        {"blob_id": "b", "path": "b", "src_encoding": "UTF-8", "content": b"\xff"},
        {"blob_id": "c", "path": "c", "src_encoding": "no such", "content": b"\xff"},
        {"blob_id": "d", "path": "d", "src_encoding": None, "content": b"\xff"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = [one.content for one in read(tmp_path / "a.parquet") if isinstance(one, Document)]
    assert found == ["é".encode(), b"\xff", b"\xff", b"\xff"]


def test_text_of_parquet_that_is_not_utf8(tmp_path: Path) -> None:
    broken = pa.array([b"\xff", b"b", b"c"], pa.binary())
    text = broken.view(pa.string())
    encoding = pa.array(["ISO-8859-1"] * 3)
    names = {"blob_id": pa.array(["a", "b", "c"]), "src_encoding": encoding, "content": text}
    pq.write_table(pa.table(names), tmp_path / "a.parquet")
    # Text was decoded already.
    assert [getattr(one, "content", None) for one in read(tmp_path / "a.parquet")] == [b"\xff", b"b", b"c"]
    pq.write_table(pa.table({"id": text, "content": text.dictionary_encode()}), tmp_path / "b.parquet")
    found = read(tmp_path / "b.parquet")
    assert [(one.id, getattr(one, "reason", None)) for one in found] == [
        ("b.parquet//1", "row"),
        ("b", None),
        ("c", None),
    ]


def test_several_columns_of_one_name(tmp_path: Path) -> None:
    pq.write_table(pa.table([["a"], ["b"], ["c"]], ["id", "content", "content"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has several columns `content`"):
        read(tmp_path / "a.parquet")


def test_rows_of_whole_repositories_are_refused(tmp_path: Path) -> None:
    row = {"repo_name": "a", "files": [{"blob_id": "b", "path": "c"}], "num_files": 1}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match="rows are whole repositories"):
        read(tmp_path / "a.jsonl")


BAD = {
    "{": "broken JSON",
    "[1]": "wrong row: expected `object`, got `array`",
    '{"a":' * 50_000: "broken JSON: nested too deeply",
    '{"id": "b"}': "neither `content` nor `text`",
    '{"content": "b"}': "neither `id` nor `path`",
    '{"id": ["b"], "content": "b"}': "`id` must be text, not list",
    '{"id": "b", "content": 5}': "`content` must be text, not int",
    '{"id": "b", "content": "b", "stars": true}': "`stars` must be a number",
    '{"id": "b", "content": "b", "stars": 1e400}': "",
    '{"id": "b", "content": "b", "commit_time": "x"}': "`commit_time` must be seconds",
    '{"id": "b", "content": "b", "path": 3}': "`path` must be text, not int",
    '{"id": "b", "content": "b", "license": {"a": 1}}': "`license` must be text or a list",
    '{"id": "\\ud800", "content": "b"}': "broken JSON",
    '{"id": "b", "content": "\x00"}': "broken JSON",
}


def test_bad_rows_are_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = '{"id": "%s", "content": "a"}\n'
    latin = b'{"id": "b", "content": "\xe9"}'
    lines = [good.encode() % b"first"] + [line.encode() + b"\n" for line in BAD] + [latin]
    path.write_bytes(b"".join(lines))
    found = read(path)
    assert isinstance(found[0], Document)
    rest = [one for one in found[1:] if isinstance(one, Unread)]
    assert len(rest) == len(BAD) + 1 == len(found) - 1
    assert {one.reason for one in rest} == {"row"}
    assert len({one.id for one in found}) == len(found)
    for line, (one, said) in enumerate(zip(rest, [*BAD.values(), "not UTF-8"], strict=True), 2):
        assert one.detail.startswith(f"{path}:{line}: ")
        assert said in one.detail
        assert "\n" not in one.detail


def test_bad_rows_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = {
        "id": ["a", None, "c", "d"],
        "content": ["x", "y", None, "z" * 50],
        "stars": [1.5, 1.0, 1.0, 1.0],
    }
    pq.write_table(pa.table(table | {"path": ["p"] * 4}), path)
    found = read(path, max_bytes=49)
    assert [(one.id, getattr(one, "reason", None)) for one in found] == [
        ("a.parquet//1", "row"),
        ("p", None),
        ("a.parquet//3", "row"),
        ("d", "size"),
    ]
    assert isinstance(found[3], Unread)
    assert (found[3].detail, found[3].num_bytes) == (f"{path}:4: 50 bytes, of at most 49", 50)


def test_large_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    # Escapes make a line six times as long as its content, which is all that counts.
    rows = [("fits", "\x01" * 100), ("large", "x" * 101), ("line", "x" * 900), ("last", "x" * 100)]
    path.write_text("".join(json.dumps({"id": name, "content": text}) + "\n" for name, text in rows))
    found = read(path, max_bytes=100)
    assert [(one.id, getattr(one, "reason", None)) for one in found] == [
        ("fits", None),
        ("large", "size"),
        ("a.jsonl//3", "size"),
        ("last", None),
    ]
    assert isinstance(found[2], Unread)
    assert found[2].num_bytes == 900 + len('{"id": "line", "content": ""}')


MEASURE = """
import resource, sys
import pyarrow.parquet
from corpus.readers.parquet import plan_parquet
from corpus.readers.plan import plan_inputs
from corpus.readers.read import read_shard
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
plan = plan_inputs(sys.argv[1:2], shard_bytes=100 << 20)
found = []
for shard in plan.shards:
    for one in read_shard(shard):
        found.append((one.id.partition("//")[0], getattr(one, "reason", None)))
print(found, (peak() - before) // 1024)
"""


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "a.parquet"])
def test_huge_rows_take_little_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    huge = 300 << 20
    if name == "a.jsonl":
        with path.open("wb") as file:
            file.write(b'{"id": "huge", "content": "' + b"x" * 5000)
            # A hole: takes no disk.
            file.seek(huge)
            file.write(b'"}\n{"id": "b", "content": "c"}\n')
    elif name == "a.jsonl.zst":
        import zstandard

        with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as packed:
            packed.write(b'{"id": "huge", "content": "')
            for _ in range(huge >> 20):
                packed.write(b"x" * (1 << 20))
            packed.write(b'"}\n{"id": "b", "content": "c"}\n')
    else:
        # One group of many rows; one of 30 MB, which pyarrow must hold.
        texts = ["y" * 1_000_000] * 150 + ["x" * 30_000_000]
        table = pa.table({"id": [f"r{i}" for i in range(151)], "content": texts})
        pq.write_table(table, path, compression="zstd", use_dictionary=False, data_page_size=1 << 20)
    done = subprocess.run(
        [sys.executable, "-P", "-c", MEASURE, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found, mebibytes = done.stdout.rsplit(maxsplit=1)
    if name == "a.parquet":
        assert found.count("None") == 150
        assert "('r150', 'size')" in found
    else:
        assert found == f"[('{name}', 'size'), ('b', None)]"
    assert int(mebibytes) < (160 if name == "a.parquet" else 32)
