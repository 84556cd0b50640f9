"""What becomes of rows in each form, read back by other readers than the writers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opencoder.errors import DataError, GateError, UserError
from opencoder.store import read_jsonl
from synth.export.command import export_rows
from synth.export.parquet import GROUPS_PER_SHARD, ParquetShards
from synth.export.reading import read_all
from synth.record import Row
from synth.shapes import read_rows
from tests.support.synth_rows import mixed_rows, plain_row, verified_row
from tests.synth.export.conftest import Write


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_published_columns(write_run: Write, tmp_path: Path) -> None:
    run = write_run(mixed_rows())
    done = export_rows(run, "opc-sft-stage2", tmp_path / "out")
    educational = pq.read_table(tmp_path / "out" / "educational_instruct.parquet")
    instruct = pq.read_table(tmp_path / "out" / "instruct.parquet")
    assert [(field.name, field.type) for field in educational.schema] == [
        ("seq_id", pa.int64()),
        ("instruction", pa.string()),
        ("output", pa.string()),
        ("code", pa.string()),
        ("entry_point", pa.string()),
        ("testcase", pa.list_(pa.string())),
    ]
    assert [(field.name, field.type) for field in instruct.schema] == [
        ("instruction", pa.string()),
        ("output", pa.string()),
        ("tag", pa.string()),
    ]
    assert educational.to_pylist() == list(read_jsonl(tmp_path / "out" / "educational_instruct.jsonl"))
    assert instruct.to_pylist() == list(read_jsonl(tmp_path / "out" / "instruct.jsonl"))
    rows = mixed_rows()
    assert [rows[number].id for number in educational["seq_id"].to_pylist()] == [
        rows[0].id,
        "answer-in-code",
        "with-setup",
        rows[-1].id,
    ]
    assert done.configs == {"educational_instruct": 4, "instruct": 3}
    assert done.skipped == {"multi_turn": 1, "system_turn": 1, "no_answer": 1, "no_instruction": 1}
    assert done.left_out == {"stdin_tests": 1, "tests": 1}
    assert done.read == len(rows) == done.written + sum(done.skipped.values())


def test_tests_still_pass_after_export(write_run: Write, tmp_path: Path) -> None:
    row = verified_row(1)
    row.test_setup, row.code = "import math", "def root(x):\n    return math.isqrt(x)\n"
    row.entry_point, row.testcase = "root", ["assert root(9) == 3"]
    export_rows(write_run([row]), "opc-sft-stage2", tmp_path / "out")
    (line,) = read_jsonl(tmp_path / "out" / "educational_instruct.jsonl")
    names: dict[str, Any] = {}
    exec(line["code"], names)
    exec(line["testcase"][0], names)


def test_published_shape_is_read_back(write_run: Write, tmp_path: Path) -> None:
    rows = [verified_row(number) for number in range(5)]
    export_rows(write_run(rows), "opc-sft-stage2", tmp_path / "out")
    back = [row for _, row in read_rows(tmp_path / "out" / "educational_instruct.jsonl")]
    assert [(row.messages, row.code, row.testcase, row.entry_point) for row in back] == [
        (row.messages, row.code, row.testcase, row.entry_point) for row in rows
    ]
    assert list(read_all(tmp_path / "out" / "educational_instruct.parquet")) == back


def test_records_come_back_whole(write_run: Write, tmp_path: Path) -> None:
    run = write_run(mixed_rows())
    export_rows(run, "parquet", tmp_path / "out")
    assert list(read_all(tmp_path / "out")) == mixed_rows()
    table = pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet")
    assert table.schema.names[:3] == ["schema", "id", "messages"]
    assert set(table["schema"].to_pylist()) == {"synth/1"}
    assert table["verify"].null_count == sum(row.verify is None for row in mixed_rows())


def test_a_run_is_read_as_records(write_run: Write) -> None:
    assert list(read_all(write_run(mixed_rows()))) == mixed_rows()


def test_chats_have_the_same_keys_in_every_row(write_run: Write, tmp_path: Path) -> None:
    run = write_run(mixed_rows())
    done = export_rows(run, "messages", tmp_path / "out")
    lines = list(read_jsonl(tmp_path / "out" / "train.jsonl"))
    assert len({tuple(line["tags"]) for line in lines}) == 1
    assert {type(value) for line in lines for value in line["tags"].values()} == {str}
    assert all(set(turn) == {"role", "content"} for line in lines for turn in line["messages"])
    by_id = {line["id"]: line for line in lines}
    assert len(by_id["dialogue"]["messages"]) == 4
    assert by_id[verified_row(1).id]["tags"]["libraries"] == "numpy==2.0"
    assert by_id["answer-in-code"]["messages"][1]["content"].startswith("```python\ndef add_3")
    assert done.skipped == {"no_answer": 1, "no_instruction": 1}


@pytest.mark.parametrize("form", ["opc-sft-stage2", "messages", "parquet"])
def test_equal_rows_give_equal_bytes(write_run: Write, tmp_path: Path, form: Any) -> None:
    run = write_run(mixed_rows())
    export_rows(run, form, tmp_path / "one")
    export_rows(run, form, tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_strict_writes_nothing(write_run: Write, tmp_path: Path) -> None:
    run = write_run(mixed_rows())
    with pytest.raises(GateError, match=r"row 2 \(dialogue\) cannot be written: multi_turn"):
        export_rows(run, "opc-sft-stage2", tmp_path / "out", strict=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_broken_row_leaves_the_earlier_export(write_run: Write, tmp_path: Path) -> None:
    run = write_run([verified_row(1)])
    export_rows(run, "messages", tmp_path / "out")
    before = files_of(tmp_path / "out")
    with (run / "rows.jsonl").open("ab") as file:
        file.write(b'{"schema":"synth/1","id":3}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2: wrong row"):
        export_rows(run, "messages", tmp_path / "out")
    assert files_of(tmp_path / "out") == before
    assert not list(tmp_path.glob(".*"))


def test_an_earlier_export_is_replaced(write_run: Write, tmp_path: Path) -> None:
    run = write_run([verified_row(1), plain_row("p")])
    export_rows(run, "opc-sft-stage2", tmp_path / "out")
    export_rows(run, "messages", tmp_path / "out")
    assert sorted(files_of(tmp_path / "out")) == ["README.md", "export.json", "train.jsonl"]


def test_other_files_are_never_replaced(write_run: Write) -> None:
    run = write_run([verified_row(1)])
    before = files_of(run)
    with pytest.raises(UserError, match="holds other files"):
        export_rows(run, "messages", run)
    assert files_of(run) == before


def test_no_rows(write_run: Write, tmp_path: Path) -> None:
    run = write_run([])
    assert export_rows(run, "opc-sft-stage2", tmp_path / "opc").configs == {}
    assert export_rows(run, "parquet", tmp_path / "out").configs == {"default": 0}
    assert pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet").num_rows == 0


def test_shards_and_row_groups(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    shards = ParquetShards(tmp_path, schema, group_bytes=10_000)
    rows = [{"text": f"{number:05}" + "x" * 1000} for number in range(100)]
    for row in rows:
        shards.add(row, 1005)
    paths = shards.close()
    assert [path.name for path in paths] == [
        f"train-{number:05}-of-{len(paths):05}.parquet" for number in range(len(paths))
    ]
    assert len(paths) > 1
    assert sorted(tmp_path.iterdir()) == paths
    groups = Counter(pq.read_metadata(path).num_row_groups for path in paths[:-1])
    assert set(groups) == {GROUPS_PER_SHARD}
    first = pq.read_metadata(paths[0])
    assert [first.row_group(place).num_rows for place in range(GROUPS_PER_SHARD)] == [10] * GROUPS_PER_SHARD
    assert {first.row_group(0).column(0).compression} == {"ZSTD"}
    assert [row for path in paths for row in pq.read_table(path).to_pylist()] == rows


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        list(read_all(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"no rows\.jsonl and no Parquet"):
        list(read_all(tmp_path))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"bad\.parquet: not Parquet that can be read"):
        list(read_all(tmp_path / "bad.parquet"))
    pq.write_table(pa.table({"instruction": [[1]]}), tmp_path / "odd.parquet")
    with pytest.raises(DataError, match=r"odd\.parquet:1: wrong row: `instruction` is list"):
        list(read_all(tmp_path / "odd.parquet"))


def test_the_schema_of_a_record_reaches_the_disk(write_run: Write) -> None:
    run = write_run([Row(id="x")])
    assert (run / "rows.jsonl").read_bytes().startswith(b'{"schema":"synth/1","id":"x"')
