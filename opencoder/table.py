"""Tables of a run folder: rows that are written once, in any order, by a process that may be killed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from opencoder.errors import UserError
from opencoder.store import JsonlAppender, read_jsonl, write_jsonl

Row = TypeVar("Row", bound=msgspec.Struct)


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One finished unit: the table it belongs to, its key there, how it ended, Unix seconds."""

    table: str
    key: str
    status: str
    at: float


class Table(Generic[Row]):
    """Rows of one kind, one per unit, in ``NAME.jsonl``.

    While the run goes on, rows stand in the order in which they were finished; :meth:`finish` sorts the
    file. Rows whose unit is not in the ledger (their process was killed in between) are dropped on opening.
    """

    def __init__(
        self,
        path: Path,
        kind: type[Row],
        *,
        key: Callable[[Row], str],
        status: Callable[[Row], str],
        finished: Mapping[str, str],
        ledger: JsonlAppender,
    ) -> None:
        self.path = path
        self._name = path.name.removesuffix(".jsonl")
        self._key = key
        self._status = status
        self._ledger = ledger
        # Opening first cuts off a torn last line, so that the strict reader below accepts the file.
        self._file = JsonlAppender(path)
        self._rows: dict[str, Row] = {}
        num_read = 0
        for row in read_jsonl(path, kind):
            num_read += 1
            if key(row) in finished:
                self._rows[key(row)] = row
        self.counts = Counter(status(row) for row in self._rows.values())
        if num_read != len(self._rows):
            self._rewrite(list(self._rows.values()))

    def __contains__(self, key: object) -> bool:
        """Tell whether the unit ``key`` is finished."""
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __getitem__(self, key: str) -> Row:
        return self._rows[key]

    def add(self, *rows: Row) -> None:
        """Record finished units: their rows, then their ledger lines, each in one write.

        Raises:
            DependencyError: The disk is full; units recorded before are kept.
            UserError: A unit is finished already, which is a fault of the caller's keys.
        """
        at = round(time.time(), 3)
        units = {self._key(row): row for row in rows}
        if len(units) < len(rows) or not units.keys().isdisjoint(self._rows):
            raise UserError(f"{self.path}: a unit is given twice, one of {list(units)[:3]}")
        lines = [
            LedgerLine(table=self._name, key=key, status=self._status(row), at=at)
            for key, row in units.items()
        ]
        self._file.append(*rows)
        self._ledger.append(*lines)
        self._rows.update(units)
        self.counts.update(line.status for line in lines)

    def finish(self, order: Callable[[Row], Any] | None = None) -> list[Row]:
        """Sort the file by ``order`` (by key if not given), atomically, and return the rows so sorted.

        What comes out does not depend on the order of finishing nor on how often the run was killed.
        """
        ranked = sorted(self._rows, key=lambda key: key if order is None else order(self._rows[key]))
        rows = [self._rows[key] for key in ranked]
        self._rewrite(rows)
        return rows

    def _rewrite(self, rows: list[Row]) -> None:
        self._file.close()
        write_jsonl(self.path, rows)
        self._file = JsonlAppender(self.path)

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()
