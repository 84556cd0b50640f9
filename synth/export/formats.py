"""The writers of the forms of a data set: what becomes of a row, and which files there are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from opencoder.records import Message
from synth.export.columns import EDUCATIONAL, INSTRUCT, record_schema, record_values, to_values
from synth.export.form import Config, Format, Writer
from synth.export.parquet import ParquetFile, ParquetShards
from synth.record import Row


def open_writer(form: Format, folder: Path) -> Writer:
    """Return the writer of a form, which puts its files into ``folder``."""
    if form == "opc-sft-stage2":
        return OpcWriter(folder)
    return MessagesWriter(folder) if form == "messages" else RecordWriter(folder)


class OpcWriter:
    """The shapes of opc-sft-stage2, each as JSON lines and as Parquet with the published column types.

    Python rows with code, tests and an entry point become ``educational_instruct``; its ``seq_id`` is the
    number of the row in the input, from 0. All others become ``instruct``, the shape of the three other
    published sets.
    """

    def __init__(self, folder: Path) -> None:
        self.left_out: Counter[str] = Counter()
        self._folder = folder
        self._shapes: dict[str, _Shape] = {}

    def add(self, number: int, row: Row) -> str:
        """Write a row; what is no single turn has no place here."""
        turns = with_answer(row)
        if reason := _not_single(turns):
            return reason
        instruction, output = turns[0].content, turns[1].content
        tested = row.code and row.testcase and row.entry_point and row.language in ("", "python")
        values: dict[str, Any] = {"instruction": instruction, "output": output}
        if tested:
            values = {"seq_id": number, **values, "code": runnable_code(row), "entry_point": row.entry_point}
            values["testcase"] = row.testcase
        else:
            values["tag"] = short_tag(row)
            self.left_out["tests"] += bool(row.testcase)
        self.left_out["stdin_tests"] += bool(row.stdin_tests)
        self._shape("educational_instruct" if tested else "instruct").add(values)
        return ""

    def close(self) -> list[Config]:
        """Write what waits; a shape without rows has no files."""
        for shape in self._shapes.values():
            shape.close()
        return [Config(name, f"{name}.parquet", shape.rows) for name, shape in sorted(self._shapes.items())]

    def _shape(self, name: str) -> _Shape:
        if name not in self._shapes:
            schema = EDUCATIONAL if name == "educational_instruct" else INSTRUCT
            self._shapes[name] = _Shape(self._folder / name, schema)
        return self._shapes[name]


class MessagesWriter:
    """Chats, one JSON object a line, as trainers read them: ``id``, ``messages`` and ``tags``.

    Every row has the same keys with texts below ``tags``: readers of JSON guess columns from the first block,
    and an empty list there would tell them nothing of the lists that follow.
    """

    def __init__(self, folder: Path) -> None:
        self.left_out: Counter[str] = Counter()
        self._lines = _Lines(folder / "train.jsonl")

    def add(self, number: int, row: Row) -> str:
        """Write a row; one without a question or an answer has no place here."""
        turns = with_answer(row)
        roles = {turn.role for turn in turns}
        if not {"user", "assistant"} <= roles:
            return "no_answer" if "user" in roles else "no_instruction"
        tags = {name: value for name, value in to_values(row.tags).items() if name != "libraries"}
        named = (f"{one.name}=={one.version}" if one.version else one.name for one in row.tags.libraries)
        tags["libraries"] = ", ".join(named)
        self._lines.add({"id": row.id, "messages": turns, "tags": {**tags, "language": row.language}})
        return ""

    def close(self) -> list[Config]:
        """Write what waits."""
        self._lines.close()
        return [Config("default", "train.jsonl", self._lines.rows)]


class RecordWriter:
    """Whole records as nested columns of sharded Parquet; every row has its place."""

    def __init__(self, folder: Path) -> None:
        self.left_out: Counter[str] = Counter()
        self._shards = ParquetShards(folder / "data", record_schema())
        self._rows = 0

    def add(self, number: int, row: Row) -> str:
        """Write a row."""
        self._shards.add(record_values(row), _text_bytes(row))
        self._rows += 1
        return ""

    def close(self) -> list[Config]:
        """Write what waits."""
        self._shards.close()
        return [Config("default", "data/train-*.parquet", self._rows)]


def with_answer(row: Row) -> list[Message]:
    """Return the turns of a row; where no assistant speaks, its code is the answer."""
    if row.code and not any(turn.role == "assistant" for turn in row.messages):
        fenced = f"```{row.language or 'python'}\n{row.code.strip(chr(10))}\n```"
        return [*row.messages, Message("assistant", fenced)]
    return row.messages


def runnable_code(row: Row) -> str:
    """Return the code with what must run before it, for shapes without a place of its own for that."""
    setup = row.test_setup.strip("\n")
    return f"{setup}\n\n{row.code}" if setup and setup not in row.code else row.code


def short_tag(row: Row) -> str:
    """Return where a row is from: its set, its recipe, or else its kind of task."""
    return row.tags.source_set or row.prov.recipe.partition("/")[0] or row.tags.task_type


def _not_single(turns: list[Message]) -> str:
    roles = [turn.role for turn in turns]
    if roles == ["user", "assistant"]:
        return ""
    if "user" not in roles:
        return "no_instruction"
    if "assistant" not in roles:
        return "no_answer"
    return "system_turn" if roles[0] == "system" and len(roles) == 3 else "multi_turn"


class _Lines:
    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._encoder = msgspec.json.Encoder()
        self._file = path.open("wb")

    def add(self, value: object) -> None:
        self._file.write(self._encoder.encode(value) + b"\n")
        self.rows += 1

    def close(self) -> None:
        self._file.close()


class _Shape:
    def __init__(self, path: Path, schema: Any) -> None:
        self._lines = _Lines(path.with_suffix(".jsonl"))
        self._table = ParquetFile(path.with_suffix(".parquet"), schema)

    @property
    def rows(self) -> int:
        return self._lines.rows

    def add(self, values: dict[str, Any]) -> None:
        self._lines.add(values)
        self._table.add(values, len(values["instruction"]) + len(values["output"]))

    def close(self) -> None:
        self._lines.close()
        self._table.close()


def _text_bytes(row: Row) -> int:
    return len(row.code) + sum(len(turn.content) for turn in row.messages)
