"""Results in the order of the input, whatever order they come in and however often the run is killed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from opencoder.files import make_folder, reading_from, writing_to
from opencoder.store import JsonlAppender, read_jsonl

ROWS = "rows.jsonl"
REJECTS = "rejects.jsonl"
LEDGER = "order.jsonl"

Kind = Literal["row", "reject", "pending"]


class OrderedOutput:
    """``rows.jsonl`` and ``rejects.jsonl`` of a folder; each input row ends in one of them, or is pending.

    Results wait in memory until all before them are there, so the files follow from the input alone. The
    order file has a line for each result, written after it; opening cuts all three back to what they agree
    on, and to what stands before the first row that is pending, for later rows may depend on it.

    Args:
        folder: Made if need be.

    Attributes:
        done: How many input rows, from the first on, have their result.
        counts: Results by reason; rows have the reason ``""``.

    Raises:
        DependencyError: The disk is full.
        UserError: The place cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self.done = 0
        self.counts: Counter[str] = Counter()
        self._waiting: dict[int, tuple[Kind, str, Any]] = {}
        self._mend(folder)
        self._ledger = JsonlAppender(folder / LEDGER)
        self._files: dict[Kind, JsonlAppender] = {
            "row": JsonlAppender(folder / ROWS),
            "reject": JsonlAppender(folder / REJECTS),
        }

    @property
    def num_waiting(self) -> int:
        """Results that wait for one before them."""
        return len(self._waiting)

    def put(self, index: int, kind: Kind, record: Any, reason: str = "") -> None:
        """Take the result of input row ``index``; one that is pending has no record.

        Raises:
            DependencyError: The disk is full; what was written before stays whole.
        """
        self._waiting[index] = (kind, reason, record)
        while self.done in self._waiting:
            kind, reason, record = self._waiting.pop(self.done)
            if kind != "pending":
                self._files[kind].append(record)
                self.counts[reason] += 1
            self._ledger.append([kind, reason])
            self.done += 1

    def close(self) -> None:
        """Flush and close the files. Closing twice is harmless."""
        for file in (*self._files.values(), self._ledger):
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _mend(self, folder: Path) -> None:
        """Cut the three files back to the longest beginning on which they agree."""
        for name in (ROWS, REJECTS, LEDGER):
            JsonlAppender(folder / name).close()  # cuts off a torn last line
        there_are = {"row": _num_lines(folder / ROWS), "reject": _num_lines(folder / REJECTS)}
        taken: Counter[str] = Counter()
        for kind, reason in read_jsonl(folder / LEDGER, tuple[Kind, str]):
            if kind == "pending" or taken[kind] == there_are[kind]:
                break
            taken[kind] += 1
            self.counts[reason] += 1
            self.done += 1
        for name, count in ((ROWS, taken["row"]), (REJECTS, taken["reject"]), (LEDGER, self.done)):
            _keep_lines(folder / name, count)


def _num_lines(path: Path) -> int:
    with reading_from(path), path.open("rb") as file:
        return sum(1 for _ in file)


def _keep_lines(path: Path, count: int) -> None:
    end = 0
    with reading_from(path), path.open("rb") as file:
        for number, line in enumerate(file):
            if number == count:
                break
            end += len(line)
    with writing_to(path):
        os.truncate(path, end)
