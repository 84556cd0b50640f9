"""Every shape of instruction data, and every reason against a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opencoder.errors import DataError, UserError
from opencoder.records import Message
from opencoder.store import write_jsonl
from train.sft.rows import NoDialogueError, read_rows, row_files, to_dialogue

ASKED = {"role": "user", "content": "q"}
SAID = {"role": "assistant", "content": "a"}
PAIR = [("user", "q"), ("assistant", "a")]


def turns(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in to_dialogue(row)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": [ASKED, SAID]}, PAIR),
        ({"messages": [{"role": "system", "content": "s"}, ASKED, SAID]}, [("system", "s"), *PAIR]),
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, PAIR),
        ({"instruction": "q", "output": "a", "tag": "x"}, PAIR),
        ({"seq_id": 1, "instruction": "q", "output": "a", "code": "c", "testcase": ["t"]}, PAIR),
        ({"instruction": "q", "input": "i", "output": "a"}, [("user", "q\ni"), ("assistant", "a")]),
        ({"instruction": "q", "input": "", "output": "a", "system": "s"}, [("system", "s"), *PAIR]),
        ({"prompt": "q", "response": "a"}, PAIR),
        ({"messages": None, "instruction": "q", "output": "a"}, PAIR),
        (
            {"schema": "synth/1", "messages": [ASKED], "code": "x = 1\n", "language": "python"},
            [("user", "q"), ("assistant", "```python\nx = 1\n```")],
        ),
    ],
)
def test_shapes(row: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert turns(row) == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1], "not_an_object"),
        ({"text": "x"}, "unknown_shape"),
        ({"messages": ["x"]}, "unknown_shape"),
        ({"messages": [ASKED, {"role": "tool", "content": "x"}, SAID]}, "unknown_role"),
        ({"messages": [ASKED, {"role": "assistant", "content": None}]}, "not_text"),
        ({"instruction": ["q"], "output": "a"}, "not_text"),
        ({"messages": [ASKED]}, "no_assistant"),
        ({"messages": [{"role": "system", "content": "s"}]}, "no_assistant"),
        ({"instruction": "q", "output": None}, "no_assistant"),
        ({"messages": [ASKED, SAID, ASKED]}, "bad_order"),
        ({"messages": [SAID, ASKED]}, "bad_order"),
        ({"messages": [ASKED, ASKED, SAID]}, "bad_order"),
        ({"messages": [ASKED, {"role": "system", "content": "s"}, SAID]}, "bad_order"),
        ({"instruction": "q", "output": " \n"}, "empty_answer"),
    ],
)
def test_reasons(row: object, reason: str) -> None:
    with pytest.raises(NoDialogueError) as caught:
        to_dialogue(row)
    assert caught.value.reason == reason


def test_files_of_every_packing_hold_the_same_rows(tmp_path: Path) -> None:
    rows = [{"messages": [ASKED, SAID]}, {"messages": [ASKED, {"role": "assistant", "content": "b"}]}]
    paths = [tmp_path / f"rows{ending}" for ending in (".jsonl", ".jsonl.gz", ".jsonl.zst")]
    for path in paths:
        write_jsonl(path, rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    for path in [*paths, tmp_path / "rows.parquet"]:
        assert [(line, to_dialogue(row)[1]) for line, row in read_rows(path)] == [
            (1, Message("assistant", "a")),
            (2, Message("assistant", "b")),
        ]


def test_a_folder_with_two_forms_is_read_once(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl", "a.parquet"):
        (tmp_path / name).touch()
    assert row_files(tmp_path) == [tmp_path / "a.parquet"]
    (tmp_path / "rows.jsonl").touch()
    assert row_files(tmp_path) == [tmp_path / "rows.jsonl"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000.parquet").touch()
    for name in ("rows.jsonl", "a.parquet"):
        (tmp_path / name).unlink()
    assert row_files(tmp_path) == [tmp_path / "data" / "train-00000.parquet"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for missing in (tmp_path / "none.jsonl", tmp_path / "empty"):
        with pytest.raises(DataError, match=missing.name):
            row_files(missing)
    (tmp_path / "x.txt").touch()
    with pytest.raises(UserError, match=r"x\.txt"):
        row_files(tmp_path / "x.txt")
    (tmp_path / "x.parquet").write_bytes(b"no Parquet at all")
    with pytest.raises(DataError, match=r"x\.parquet"):
        list(read_rows(tmp_path / "x.parquet"))
