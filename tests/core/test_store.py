import gzip
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from opencoder.errors import DataError, DependencyError, UserError
from opencoder.files import sha256_file, write_bytes
from opencoder.records import Outcome
from opencoder.store import (
    JsonlAppender,
    read_json,
    read_jsonl,
    read_numbered,
    whole_bytes,
    write_json,
    write_jsonl,
)

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


class Point(msgspec.Struct):
    x: int
    name: str = ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def rows_of(path, kind: Any = Point):
    return list(read_jsonl(path, kind))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(JSON_VALUES, max_size=8))
def test_what_is_written_is_read(folder, suffix, rows):
    path = folder / f"rows{suffix}"
    assert write_jsonl(path, rows) == len(rows)
    assert list(read_jsonl(path)) == rows


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.lists(JSON_VALUES, max_size=3), max_size=4), data=st.data())
def test_a_file_cut_anywhere_can_be_appended_to(folder, suffix, batches, data):
    path = folder / f"cut{suffix}"
    path.unlink(missing_ok=True)
    ends = []
    for batch in batches:
        with JsonlAppender(path) as file:
            file.append(*batch)
        ends.append(path.stat().st_size)
    whole = path.read_bytes() if batches else b""
    cut = data.draw(st.integers(0, len(whole)), label="cut")
    path.write_bytes(whole[:cut])
    with JsonlAppender(path) as file:
        file.append("after")
    rows = [row for batch in batches for row in batch]
    if suffix == ".jsonl":
        num_whole = whole[:cut].count(b"\n")
    else:
        num_whole = sum(len(batch) for batch, end in zip(batches, ends, strict=True) if end <= cut)
    assert list(read_jsonl(path)) == [*rows[:num_whole], "after"]


def test_the_packing_is_what_the_name_says(tmp_path):
    rows = [Point(x=1, name="ä\n"), Point(x=2)]
    for suffix in SUFFIXES:
        write_jsonl(tmp_path / f"a{suffix}", rows)
    text = (tmp_path / "a.jsonl").read_bytes()
    assert text == '{"x":1,"name":"ä\\n"}\n{"x":2,"name":""}\n'.encode()
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == text
    assert zstandard.ZstdDecompressor().stream_reader((tmp_path / "a.jsonl.zst").read_bytes()).read() == text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_rows_give_equal_bytes(tmp_path, suffix):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        write_jsonl(path, [Point(x=i) for i in range(99)])
    assert sha256_file(first) == sha256_file(second) == hashlib.sha256(second.read_bytes()).hexdigest()


def test_files_of_other_tools_are_read(tmp_path):
    """A byte order mark, CRLF, empty lines, no newline at the end, several gzip members, several frames."""
    lines = [b'\xef\xbb\xbf{"x": 1}\r\n', b"\r\n", b"  \n", b'{"x": 2, "later": []}']
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(map(gzip.compress, lines)))
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(map(zstandard.compress, lines)))
    for suffix in SUFFIXES:
        numbered = list(read_numbered(tmp_path / f"a{suffix}", Point))
        assert numbered == [(1, Point(x=1)), (4, Point(x=2))]


def test_long_lines_cross_chunks(tmp_path):
    rows = [Point(x=i, name="é" * 700_001) for i in range(3)]
    for suffix in SUFFIXES:
        write_jsonl(tmp_path / f"a{suffix}", rows)
        assert rows_of(tmp_path / f"a{suffix}") == rows


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"x": 1', "broken JSON: input data was truncated"),
        (b"{x: 1}", "broken JSON: json is malformed"),
        (b'{"x": 1} {"x": 2}', "broken JSON: json is malformed: trailing characters"),
        (b'{"name": "a"}', "missing required field `x`"),
        (b'{"x": "1"}', "expected `int`, got `str` - at `$.x`"),
        (b"[1]", "expected `object`, got `array`"),
        (b'{"x": 1, "name": "\xff"}', "not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path, suffix, line, says):
    path = tmp_path / f"bad{suffix}"
    pack = {".jsonl": bytes, ".jsonl.gz": gzip.compress, ".jsonl.zst": zstandard.compress}[suffix]
    path.write_bytes(pack(b'{"x": 0}\n\n' + line + b"\n"))
    with pytest.raises(DataError) as caught:
        rows_of(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:3: ")
    assert says.lower() in message.lower()
    assert "\n" not in message
    assert (caught.value.exit_code, caught.value.line) == (2, 3)


def test_a_wrong_status_is_named_by_its_path(tmp_path):
    (tmp_path / "o.jsonl").write_text('{"task_id": "a", "sample_id": 0, "status": "won"}\n')
    with pytest.raises(DataError, match=r"o\.jsonl:1: .*'won' - at `\$\.status`"):
        rows_of(tmp_path / "o.jsonl", Outcome)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl.gz", b'{"x": 1}\n', "not gzip"),
        ("a.jsonl.gz", zstandard.compress(b'{"x": 1}\n'), "not gzip"),
        ("a.jsonl.gz", gzip.compress(b'{"x": 1}\n', mtime=0)[:-3], "cut off"),
        ("a.jsonl.gz", gzip.compress(b'{"x": 1}\n' * 99, mtime=0)[:20] + b"\0" * 40, "cut off or damaged"),
        ("a.jsonl.zst", b'{"x": 1}\n', "not whole Zstandard"),
        ("a.jsonl.zst", zstandard.compress(b'{"x": 1}\n')[:-3], "not whole Zstandard"),
        ("a.jsonl.zst", zstandard.compress(b'{"x": 1}\n') + b"tail", "not whole Zstandard"),
    ],
)
def test_a_file_packed_otherwise_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        rows_of(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_file_a_folder_and_an_unknown_suffix(tmp_path):
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(DataError, match=r"none\.jsonl: no such file"):
        rows_of(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match=r"d\.jsonl: is a folder"):
        rows_of(tmp_path / "d.jsonl")
    with pytest.raises(UserError, match=r"must end in \.jsonl"):
        rows_of(tmp_path / "rows.csv")


def test_json_files_round_trip_and_name_faults(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, Point(x=3))
    assert read_json(path, Point) == Point(x=3)
    assert path.read_text().startswith('{\n  "x": 3')
    path.write_text("{")
    with pytest.raises(DataError, match=r"a\.json: not the JSON"):
        read_json(path, Point)


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [1])

    def rows():
        yield 2
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_jsonl(path, rows())
    assert list(read_jsonl(path)) == [1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_full_disk_keeps_what_is_there(tiny_disk):
    path = tiny_disk / "a.jsonl"
    write_jsonl(path, [1])
    with pytest.raises(
        DependencyError, match=r"disk is full: cannot write .*a\.jsonl; run: df -h .*same command"
    ):
        write_jsonl(path, ["x" * 1000] * 1000)
    assert list(read_jsonl(path)) == [1]
    assert [entry.name for entry in tiny_disk.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_an_appender_on_a_full_disk_keeps_whole_rows(tiny_disk, suffix):
    path = tiny_disk / f"a{suffix}"
    rows, file = [], JsonlAppender(path)
    with pytest.raises(DependencyError, match="disk is full"):  # noqa: PT012 - the row that fails is not known
        for i in range(10_000):
            row = hashlib.sha512(str(i).encode()).hexdigest() * 9
            file.append(row)
            file.flush()
            rows.append(row)
    assert len(rows) > 10
    assert list(read_jsonl(path)) == rows
    file.close()
    assert list(read_jsonl(path)) == rows


def test_a_read_only_folder_is_named(read_only):
    for write in (lambda: write_bytes(read_only / "a", b"x"), lambda: JsonlAppender(read_only / "a.jsonl")):
        with pytest.raises(UserError) as caught:
            write()
        assert f"cannot write to the folder {read_only}" in str(caught.value)
        assert caught.value.exit_code == 2


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(UserError, match="in the way"):
        JsonlAppender(tmp_path / "f" / "a.jsonl")


def test_gzip_is_not_appended_to(tmp_path):
    with pytest.raises(UserError, match="cannot be appended to gzip"):
        JsonlAppender(tmp_path / "a.jsonl.gz")


def test_a_killed_appender_loses_no_row_it_reported(tmp_path):
    path = tmp_path / "a.jsonl"
    code = (
        "import sys; from pathlib import Path; from opencoder.store import JsonlAppender\n"
        "file = JsonlAppender(Path(sys.argv[1]), sync_s=1e9)\n"
        "for i in range(10**9):\n"
        "    file.append({'i': i, 'pad': 'x' * 5000})\n"
        "    sys.stdout.write(f'{i}\\n'); sys.stdout.flush()\n"
    )
    child: Any = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    for _ in range(200):
        child.stdout.readline()
    child.kill()
    reported = [199, *map(int, child.stdout.read().split())]
    child.wait()
    child.stdout.close()
    with path.open("ab") as file:
        file.write(b'{"i": 12, "pa')
    JsonlAppender(path).close()
    kept = [row["i"] for row in read_jsonl(path)]
    assert kept == list(range(len(kept)))
    assert len(kept) > reported[-2] if len(reported) > 1 else len(kept) >= 199
    assert whole_bytes(path) == path.stat().st_size


def test_hashing_a_missing_file_is_a_data_error():
    with pytest.raises(DataError, match="no such file"):
        sha256_file(Path("/nowhere/at/all"))
