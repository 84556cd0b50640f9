"""The journal of answers: nothing that was written is lost, nothing damaged is believed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencoder.errors import DataError, UserError
from opencoder.llm import journal as module
from opencoder.llm.api import Choice, Response
from opencoder.llm.journal import Entry, Journal, read_entries
from opencoder.place_index import PlaceIndex

ROOT = Path(__file__).parents[2]


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def answered(number: int, text: str = "") -> Entry:
    response = Response(choices=[Choice(text=text or f"answer {number}\n")], model="m", tokens_out=number)
    return Entry(key=key(number), tag=f"t{number}", status="answered", at=1.5, response=response)


def fill(folder: Path, count: int) -> None:
    with Journal(folder) as journal:
        for number in range(count):
            journal.add(answered(number))


def known(folder: Path, count: int) -> list[int]:
    with Journal(folder) as journal:
        return [number for number in range(count) if journal.get(key(number)) == answered(number)]


def test_answers_are_found_again(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    assert known(tmp_path, 5) == [0, 1, 2, 3, 4]
    with Journal(tmp_path) as journal:
        assert key(7) not in journal
        journal.add(answered(7))
        assert journal.get(key(7)) == answered(7)
    assert known(tmp_path, 8) == [0, 1, 2, 3, 4, 7]


def test_failures_are_kept_and_are_no_answers(tmp_path: Path) -> None:
    failed = Entry(key=key(1), tag="t", status="failed", at=2.0, error="HTTP 500")
    with Journal(tmp_path) as journal:
        journal.add(failed)
        assert key(1) not in journal
        journal.add(answered(1))
        assert key(1) in journal
    assert list(read_entries(tmp_path)) == [failed, answered(1)]


def test_a_refusal_settles_a_request(tmp_path: Path) -> None:
    refused = Entry(key=key(1), tag="t", status="refused", at=2.0, error="too long")
    with Journal(tmp_path) as journal:
        journal.add(refused)
    with Journal(tmp_path) as journal:
        assert journal.get(key(1)) == refused


def test_lines_are_json_for_every_other_tool(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    lines = (tmp_path / "00001.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["tag"] for line in lines] == ["t0", "t1"]


def test_a_cut_at_any_byte_costs_the_last_entry_at_most(tmp_path: Path) -> None:
    fill(tmp_path / "whole", 4)
    data = (tmp_path / "whole" / "00001.jsonl").read_bytes()
    last = data[:-1].rfind(b"\n") + 1
    for size in range(last, len(data) + 1):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "00001.jsonl").write_bytes(data[:size])
        wanted = [0, 1, 2, 3] if size == len(data) else [0, 1, 2]
        assert known(folder, 4) == wanted
        with Journal(folder) as journal:
            journal.add(answered(9))
        assert known(folder, 10) == [*wanted, 9]


@pytest.mark.parametrize("where", [1, 30, 120])
def test_a_damaged_entry_is_not_believed_and_costs_no_other(
    tmp_path: Path, where: int, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, 3)
    path = tmp_path / "00001.jsonl"
    data = bytearray(path.read_bytes())
    data[len(data) // 3 + where] ^= 1
    path.write_bytes(data)
    assert known(tmp_path, 3) == [0, 2]
    assert f"{path}:2: 1 damaged lines" in caplog.text


def test_segments_follow_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 700)
    fill(tmp_path, 10)
    assert known(tmp_path, 10) == list(range(10))
    names = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert names == [f"{number:05}.jsonl" for number in range(1, len(names) + 1)]
    assert len(names) > 2
    (tmp_path / names[1]).unlink()
    with pytest.raises(DataError, match=r"00002\.jsonl is missing"):
        Journal(tmp_path)


def test_one_writes_at_a_time_and_anyone_reads(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(answered(1))
        with pytest.raises(UserError, match="in use"):
            Journal(tmp_path)
        with Journal(tmp_path, read_only=True) as reader:
            assert reader.get(key(1)) == answered(1)
    with pytest.raises(DataError, match="no journal"):
        Journal(tmp_path / "none", read_only=True)


def test_a_killed_writer_has_lost_nothing_it_reported(tmp_path: Path) -> None:
    code = (
        "import hashlib, sys, time; from pathlib import Path\n"
        "from opencoder.llm.api import Choice, Response\n"
        "from opencoder.llm.journal import Entry, Journal\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for i in range(10**9):\n"
        "    key = hashlib.sha256(str(i).encode()).hexdigest()\n"
        "    response = Response(choices=[Choice(text=f'answer {i}\\n')], model='m', tokens_out=i)\n"
        "    journal.add(Entry(key=key, tag=f't{i}', status='answered', at=1.5, response=response))\n"
        "    print(i, flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as child:
        assert child.stdout is not None
        for _ in range(100):
            child.stdout.readline()
        child.kill()
        rest = child.stdout.read().split()
    count = int(rest[-2]) + 1 if len(rest) > 1 else 100
    assert known(tmp_path, count) == list(range(count))


@given(st.lists(st.integers(0, 3), max_size=50))
def test_keys_that_begin_alike_have_places_of_their_own(starts: list[int]) -> None:
    index = PlaceIndex()
    places: dict[str, list[int]] = {}
    for place, start in enumerate(starts, 1):
        digest = f"{start * 1024:016x}" + "0" * 48
        index.add(digest, place)
        places.setdefault(digest, []).append(place)
    assert all(list(index.places(digest)) == found for digest, found in places.items())
    assert len(index) == len(starts)


def test_the_index_grows(tmp_path: Path) -> None:
    index = PlaceIndex()
    for number in range(5000):
        index.add(key(number), number + 1)
    assert all(list(index.places(key(number))) == [number + 1] for number in range(5000))
    assert list(index.places(key(5001))) == []
