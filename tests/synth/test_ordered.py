"""Results in the order of the input."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencoder.store import read_jsonl
from synth.ordered import LEDGER, REJECTS, ROWS, OrderedOutput


def put(output: OrderedOutput, index: int) -> None:
    if index % 3:
        output.put(index, "row", {"n": index})
    else:
        output.put(index, "reject", {"n": index, "reason": "third"}, "third")


def content(folder: Path) -> tuple[bytes, bytes]:
    return (folder / ROWS).read_bytes(), (folder / REJECTS).read_bytes()


@pytest.fixture
def whole(tmp_path: Path) -> tuple[bytes, bytes]:
    with OrderedOutput(tmp_path / "whole") as output:
        for index in range(20):
            put(output, index)
        assert output.counts == {"": 13, "third": 7}
    assert [row["n"] for row in read_jsonl(tmp_path / "whole" / REJECTS)] == [0, 3, 6, 9, 12, 15, 18]
    return content(tmp_path / "whole")


@given(order=st.permutations(range(20)))
def test_any_order_gives_the_same_files(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    folder = tmp_path_factory.mktemp("any")
    with OrderedOutput(folder) as output:
        for place, index in enumerate(order):
            put(output, index)
            assert output.done + output.num_waiting == place + 1
    assert [row["n"] for row in read_jsonl(folder / ROWS)] == [n for n in range(20) if n % 3]


def test_what_waits_is_not_written(tmp_path: Path) -> None:
    with OrderedOutput(tmp_path) as output:
        put(output, 1)
        put(output, 2)
        assert (output.done, output.num_waiting) == (0, 2)
    with OrderedOutput(tmp_path) as output:
        assert output.done == 0


@pytest.mark.parametrize("name", [ROWS, REJECTS, LEDGER])
def test_a_cut_anywhere_is_gone_on_from(tmp_path: Path, whole: tuple[bytes, bytes], name: str) -> None:
    """Also as after a power cut, which takes different ends off different files."""
    data = (tmp_path / "whole" / name).read_bytes()
    for size in range(0, len(data), 3):
        folder = tmp_path / f"cut{size}"
        folder.mkdir()
        for other in (ROWS, REJECTS, LEDGER):
            kept = data[:size] if other == name else (tmp_path / "whole" / other).read_bytes()
            (folder / other).write_bytes(kept)
        with OrderedOutput(folder) as output:
            assert output.done < 20 or size > len(data) - 3
            for index in range(output.done, 20):
                put(output, index)
            assert output.counts == {"": 13, "third": 7}
        assert content(folder) == whole
