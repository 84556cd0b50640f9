"""Rows of instruction data of every shape in use, as dialogues or as a reason why they are none.

Known shapes: chats (``messages`` with ``role`` and ``content``, or ``conversations`` with ``from`` and
``value``), ``instruction``/``output`` as in the published OpenCoder sets (Alpaca's ``input`` and ``system``
too), ``prompt``/``response``, and the records of ``opencoder synth``, whose code is the answer where nobody
speaks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opencoder.errors import DataError
from opencoder.files import reading_from
from opencoder.records import Message
from opencoder.store import packing, read_numbered

_ANYTHING: Any = Any
_BATCH_ROWS = 256
_RUN_FILES = ("rows.jsonl", "rows.jsonl.zst", "rows.jsonl.gz")
_ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}


class NoDialogueError(Exception):
    """A row that cannot be trained on.

    Attributes:
        reason: A short name, as counts use it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def row_files(path: Path) -> list[Path]:
    """Return the files of an input: the file itself, or those of a folder.

    Of a folder: ``rows.jsonl`` of a run; else its Parquet files (also below ``data/``); else its JSON lines.
    A data set that is there in two forms is so read once.

    Raises:
        DataError: There is no such file or folder, or nothing to read in it.
        UserError: It is a file of another kind.
    """
    if path.is_dir():
        runs = [path / name for name in _RUN_FILES if (path / name).is_file()]
        tables = sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))
        if not (found := runs[:1] or tables or sorted(path.glob("*.jsonl*"))):
            raise DataError("no JSON lines and no Parquet in this folder; give one with data", path=path)
        return found
    if not path.exists():
        raise DataError("no such file or folder; check the path", path=path)
    if path.suffix != ".parquet":
        packing(path)
    return [path]


def read_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield ``(line, row)`` of a JSON lines file, or ``(number of the row, row)`` of a Parquet file.

    Raises:
        DataError: The file cannot be read or a line is no JSON; with ``file:line``.
    """
    return _parquet(path) if path.suffix == ".parquet" else read_numbered(path, _ANYTHING)


def to_dialogue(row: object) -> list[Message]:
    """Return the turns of a row.

    Raises:
        NoDialogueError: With one of these reasons: ``not_an_object``, ``unknown_shape``, ``unknown_role``,
            ``not_text``, ``no_assistant``, ``empty_answer``, or ``bad_order`` (user and assistant do not take
            turns, or the last word is not the assistant's).
    """
    if not isinstance(row, Mapping):
        raise NoDialogueError("not_an_object")
    turns = _turns(row)
    _check(turns)
    return turns


def _turns(row: Mapping[str, Any]) -> list[Message]:
    for name in ("messages", "conversations"):
        if isinstance(row.get(name), list) and row[name]:
            return _with_code(row, [_turn(turn) for turn in row[name]])
    for ask, answer in (("instruction", "output"), ("prompt", "response")):
        if row.get(ask) is not None:
            question, extra = _text(row[ask]), _text(row.get("input"))
            turns = [Message("user", f"{question}\n{extra}" if extra else question)]
            if system := _text(row.get("system")):
                turns.insert(0, Message("system", system))
            return turns if row.get(answer) is None else [*turns, Message("assistant", _text(row[answer]))]
    raise NoDialogueError("unknown_shape")


def _turn(turn: object) -> Message:
    if not isinstance(turn, Mapping):
        raise NoDialogueError("unknown_shape")
    role = _ROLES.get(str(turn.get("role") or turn.get("from")))
    if role is None:
        raise NoDialogueError("unknown_role")
    content = turn.get("content", turn.get("value"))
    if not isinstance(content, str):
        raise NoDialogueError("not_text")
    return Message(role, content)  # type: ignore[arg-type]  # a value of _ROLES


def _with_code(row: Mapping[str, Any], turns: list[Message]) -> list[Message]:
    """Add the code of a record of ``opencoder synth`` as the answer, as its exports do."""
    code = row.get("code")
    spoken = any(turn.role == "assistant" for turn in turns)
    if spoken or not isinstance(code, str) or not code or "schema" not in row:
        return turns
    language = row.get("language") or "python"
    return [*turns, Message("assistant", f"```{language}\n{code.strip(chr(10))}\n```")]


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NoDialogueError("not_text")
    return value


def _check(turns: list[Message]) -> None:
    spoken = turns[1:] if turns[0].role == "system" else turns
    if not any(turn.role == "assistant" for turn in spoken):
        raise NoDialogueError("no_assistant")
    wanted = ["user", "assistant"] * (len(spoken) // 2)
    if [turn.role for turn in spoken] != wanted:
        raise NoDialogueError("bad_order")
    if any(turn.role == "assistant" and not turn.content.strip() for turn in spoken):
        raise NoDialogueError("empty_answer")


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    with reading_from(path):
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
                    for row in batch.to_pylist():
                        number += 1
                        yield number, row
        except pa.ArrowException as error:
            said = " ".join(str(error).split())
            raise DataError(f"not Parquet that can be read: {said}; fetch it again", path=path) from error
