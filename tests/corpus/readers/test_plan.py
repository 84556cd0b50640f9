"""What is planned: sources, names, determinism, files that are damaged."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from corpus.document import Document, Unread
from corpus.readers.plan import plan_inputs
from corpus.readers.read import read_shard
from corpus.readers.shard import InputPlan
from opencoder.errors import DataError, UserError

ROWS = [{"id": f"r{i}", "content": f"text {i}\n" * (i % 40)} for i in range(500)]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=50)
        return path
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        half = len(data) // 2
        # Frames with and without size and checksum, and one to skip, as other writers make them.
        sized = zstandard.ZstdCompressor(write_checksum=True).compress(data[:half])
        plain = zstandard.ZstdCompressor(write_content_size=False).compressobj()
        data = sized + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + plain.compress(data[half:]) + plain.flush()
    path.write_bytes(data)
    return path


def read(plan: InputPlan, **options: Any) -> list[Document | Unread]:
    return [found for shard in plan.shards for found in read_shard(shard, **options)]


def contents(plan: InputPlan) -> dict[str, bytes]:
    found = read(plan)
    assert all(isinstance(one, Document) for one in found), found
    values = {one.id: one.content for one in found if isinstance(one, Document)}
    assert len(values) == len(found)
    return values


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_shard_bytes_do_not_change_documents(suffix: str, tmp_path: Path) -> None:
    path = write_rows(tmp_path / f"rows.{suffix}", ROWS)
    counts = set()
    for shard_bytes in (1, 3000, 1 << 20):
        plan = plan_inputs([str(path)], shard_bytes=shard_bytes)
        counts.add(len(plan.shards))
        found = read(plan)
        assert [(one.id, one.content.decode()) for one in found if isinstance(one, Document)] == [
            (row["id"], row["content"]) for row in ROWS
        ]
        assert [one.line for one in found if isinstance(one, Document)] == list(range(1, 501))
        assert msgspec.json.decode(msgspec.json.encode(plan), type=InputPlan) == plan
        assert len({shard.digest for shard in plan.shards}) == len(plan.shards)
    # Packed lines are one shard; plain ones are cut at each line at most, Parquet at each row group.
    assert (min(counts), max(counts)) == (1, {"jsonl": 500, "parquet": 10}.get(suffix, 1))


def test_cuts_of_json_lines_are_at_ends_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    # No end of the last line, blank lines, a mark of the byte order.
    path.write_bytes(b'\xef\xbb\xbf{"id":1,"text":"a"}\n\n\r\n{"id":2,"text":"b"}\r\n{"id":3,"text":"c"}')
    for shard_bytes in range(1, 80):
        plan = plan_inputs([str(path)], shard_bytes=shard_bytes)
        assert contents(plan) == {"1": b"a", "2": b"b", "3": b"c"}
        assert [one.line for one in read(plan) if isinstance(one, Document)] == [1, 4, 5]
        assert plan.shards[0].first == 0
        assert [shard.first for shard in plan.shards[1:]] == [shard.end for shard in plan.shards[:-1]]


def test_folder_is_planned_alike_whatever_its_order(tmp_path: Path) -> None:
    names = [f"d{i % 7}/f{i}.py" for i in range(60)]
    plans = []
    for root, order in ((tmp_path / "a", names), (tmp_path / "b", names[::-1])):
        for name in order:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name * 500)
            os.utime(file, (5, 5))
        plans.append(plan_inputs([str(root)], shard_bytes=50_000))
    first, second = plans
    assert len(first.shards) > 1
    assert [(s.items, s.digest) for s in first.shards] == [(s.items, s.digest) for s in second.shards]
    assert contents(first) == contents(plan_inputs([str(tmp_path / "a")], shard_bytes=1))
    (tmp_path / "b" / names[0]).write_text("other")
    changed = plan_inputs([str(tmp_path / "b")], shard_bytes=50_000)
    assert changed.shards[0].digest != second.shards[0].digest


def test_names_of_sources_keep_ids_apart(tmp_path: Path) -> None:
    for folder in ("x/src", "y/src", "src~2"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text(folder)
    rows = write_rows(tmp_path / "rows.jsonl", ROWS[:1])
    sources = [str(tmp_path / name) for name in ("x/src", "y/src", "src~2")] + [str(rows), str(rows)]
    assert set(contents(plan_inputs(sources))) == {
        "src:a.py",
        "src~3:a.py",
        "src~2:a.py",
        "rows.jsonl:r0",
        "rows.jsonl~2:r0",
    }
    assert set(contents(plan_inputs(sources[:1]))) == {"a.py"}


def test_folder_of_rows(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    write_rows(tmp_path / "part" / "a.parquet", ROWS[:100])
    write_rows(tmp_path / "b.jsonl.zst", ROWS[100:])
    (tmp_path / "README.md").write_text("about")
    (tmp_path / ".gitattributes").touch()
    # Data sets come as checkouts too.
    (tmp_path / ".git").mkdir()
    assert set(contents(plan_inputs([str(tmp_path)]))) == {row["id"] for row in ROWS}
    # Anything else makes it a folder of sources.
    (tmp_path / "main.py").touch()
    assert set(contents(plan_inputs([str(tmp_path)]))) == {
        "part/a.parquet",
        "b.jsonl.zst",
        "README.md",
        ".gitattributes",
        "main.py",
    }


def test_skipped_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").touch()
    (tmp_path / "b").touch()
    assert set(contents(plan_inputs([str(tmp_path)], skip=tmp_path / "out"))) == {"b"}


def damaged(folder: Path) -> dict[str, str]:
    """Write files that are each wrong in one way; return a part of what must be said of each."""
    whole = {name: write_rows(folder / name, ROWS) for name in ("w.parquet", "w.jsonl.gz", "w.jsonl.zst")}
    parquet, packed, zst = (path.read_bytes() for path in whole.values())
    for path in whole.values():
        path.unlink()
    wrong: dict[str, tuple[bytes, str]] = {
        "cut.parquet": (parquet[:-20], "not Parquet that can be read"),
        "head.parquet": (b"XXXX" + parquet[4:], "not Parquet"),
        "middle.parquet": (parquet[:200] + parquet[2000:], "lies beyond the end"),
        "empty.parquet": (b"", "an empty file"),
        "cut.jsonl.gz": (packed[:-30], "cut off or damaged"),
        "tail.jsonl.gz": (packed[:-3], "cut off or damaged"),
        "flipped.jsonl.gz": (packed[:-6] + b"\0\1" + packed[-4:], "cut off or damaged"),
        "cut.jsonl.zst": (zst[:-5], "cut off"),
        "tail.jsonl.zst": (zst[:-1], "cut off"),
        "half.jsonl.zst": (zst[: len(zst) // 3], "cut off"),
        "more.jsonl.zst": (zst + b"more", "cut off"),
        "other.jsonl.zst": (packed, "not zstd data"),
        "other.jsonl.gz": (b"{}\n", "not gzip data"),
        "other.jsonl": (packed, "but gzip data"),
        "zeros.jsonl": (b"\0" * 50, "NUL"),
        "lfs.parquet": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        "columns.jsonl": (b'{"id": "a", "body": "b"}\n' * 3, "neither `content` nor `text`"),
        "names.jsonl": (b'{"content": "b"}\n', "neither `id` nor `path`"),
        "v2.jsonl": (b'{"blob_id": "a", "path": "b"}\n', "fetch them by blob_id"),
    }
    for name, (data, _) in wrong.items():
        (folder / name).write_bytes(data)
    pq.write_table(pa.table({"id": ["a"], "content": [1]}), folder / "number.parquet")
    pq.write_table(pa.table({"id": ["a"], "body": ["b"]}), folder / "columns.parquet")
    (folder / "gone.jsonl").symlink_to("nothing")
    more = {
        "number.parquet": "must be text, not int64",
        "columns.parquet": "neither `content`",
        "gone.jsonl": "no file",
    }
    return {name: said for name, (_, said) in wrong.items()} | more


def test_damaged_files_are_refused_or_passed_over(tmp_path: Path) -> None:
    wanted = damaged(tmp_path)
    write_rows(tmp_path / "good.jsonl.zst", ROWS)
    (tmp_path / "nothing.jsonl").touch()
    (tmp_path / "nothing.jsonl.gz").touch()
    with pytest.raises(DataError, match=rf"columns\.jsonl: neither .*\({len(wanted)} such files in all\)"):
        plan_inputs([str(tmp_path)])
    plan = plan_inputs([str(tmp_path)], skip_bad=True)
    assert {Path(name).name for name in plan.bad} == set(wanted)
    for name, said in wanted.items():
        reason = plan.bad[str(tmp_path / name)]
        assert said in reason
        assert "\n" not in reason
    assert set(contents(plan)) == {row["id"] for row in ROWS}


def test_damage_that_comes_later_is_named(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"):
        path = write_rows(tmp_path / name, ROWS)
        plan = plan_inputs([str(path)])
        if name != "a.jsonl":
            data = bytearray(path.read_bytes())
            data[len(data) // 3 : len(data) // 3 + 40] = b"\xff" * 40
            path.write_bytes(data)
            with pytest.raises(DataError, match=path.name):
                read(plan)
        else:
            path.write_bytes(path.read_bytes()[:-1])
            with pytest.raises(DataError, match=r"a\.jsonl: 1 bytes shorter"):
                read(plan)
        path.unlink()
        with pytest.raises(DataError, match=r"no such file"):
            read(plan)


def test_sources_of_no_kind(tmp_path: Path) -> None:
    (tmp_path / "x.csv").touch()
    with pytest.raises(UserError, match="must be a folder"):
        plan_inputs([str(tmp_path / "x.csv")])
    with pytest.raises(DataError, match="no such file or folder"):
        plan_inputs([str(tmp_path / "none")])
    assert plan_inputs([str(tmp_path)], skip=tmp_path / "x").shards[0].num_bytes == 0
    (tmp_path / "x.csv").unlink()
    assert plan_inputs([str(tmp_path)]).shards == ()
