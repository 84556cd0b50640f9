"""Take the rows that hold benchmark tasks out of a data set."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from opencoder.errors import DataError, UserError
from opencoder.files import atomic, make_folder
from opencoder.log import progress
from opencoder.store import read_numbered, write_json
from synth.decontam.detector import Detector, Match, Mode, Rule
from synth.decontam.references import Reference
from synth.record import Row
from synth.shapes import to_row

ROWS, REJECTS, WARNINGS, REPORT = "rows.jsonl", "rejects.jsonl", "warnings.jsonl", "report.json"


class Coverage(msgspec.Struct, kw_only=True):
    """A benchmark in a report.

    Attributes:
        tasks: How many tasks were looked for.
        found: How many of them are in rejected rows.
        rejected: Rows with at least one of them.
        warned: Kept rows that are near one of them.
    """

    tasks: int = 0
    found: int = 0
    rejected: int = 0
    warned: int = 0


class Summary(msgspec.Struct, kw_only=True):
    """What came out (``report.json``). ``read`` is ``kept`` and ``rejected``.

    Attributes:
        source: The file.
        mode: The rules.
        read: Rows that were read.
        kept: Those in ``rows.jsonl``.
        rejected: Those in ``rejects.jsonl``.
        warned: Kept rows that are near a task, those in ``warnings.jsonl``.
        rules: Rejected or warned rows by rule; a row may count for several.
        benchmarks: Each benchmark that was looked for.
    """

    source: str
    mode: Mode
    read: int = 0
    kept: int = 0
    rejected: int = 0
    warned: int = 0
    rules: dict[Rule, int] = {}
    benchmarks: dict[str, Coverage] = {}


class _Warned(msgspec.Struct, kw_only=True):
    line: int
    id: str
    matches: list[Match]


def decontaminate(
    source: Path,
    out: Path,
    *,
    references: Sequence[Reference],
    mode: Mode = "default",
    limit: int | None = None,
) -> Summary:
    """Split a data set into rows without and with held-out tasks.

    ``OUT/rows.jsonl`` holds the kept rows byte for byte, ``OUT/rejects.jsonl`` the others with ``reason``
    (``contaminated_`` and the rule) and ``matches`` added, ``OUT/warnings.jsonl`` line number, id and matches
    of kept rows that are near a task, ``OUT/report.json`` the :class:`Summary`. The report is written last.

    Args:
        source: Rows of any known shape (``synth.shapes``).
        out: Folder; it may not be the one of ``source``, where an earlier stage keeps its own rejects.
        references: The held-out tasks.
        mode: The rules.
        limit: Read only so many rows.

    Raises:
        UserError: The folder cannot be used.
        DataError: A row cannot be read; nothing is written then.
        DependencyError: A package is missing, or the disk is full.
    """
    if source.resolve().parent == out.resolve():
        raise UserError(f"{out} is the folder of {source.name}, whose files would be lost; choose another -o")
    total = sum(1 for _ in itertools.islice(read_numbered(source, msgspec.Raw), limit))
    detector = Detector(references, mode)
    tally = _Tally(Summary(source=str(source), mode=mode), references)
    make_folder(out)
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(atomic(out / name)) for name in (ROWS, REJECTS, WARNINGS)}
        shown = stack.enter_context(progress(f"decontaminating {source.name}", total))
        for line, raw, row in itertools.islice(_rows(source), limit):
            matches = detector.find(row)
            _write(files, raw, _Warned(line=line, id=row.id, matches=matches))
            shown.advance(status=tally.count(matches))
    summary = tally.finished()
    write_json(out / REPORT, summary)
    return summary


class _Tally:
    """Counts rows as they go by."""

    def __init__(self, summary: Summary, references: Sequence[Reference]) -> None:
        self._summary = summary
        self._found: dict[str, set[str]] = {}
        for one in references:
            summary.benchmarks.setdefault(one.benchmark, Coverage()).tasks += 1

    def count(self, matches: Sequence[Match]) -> str:
        """Count a row and return what became of it."""
        summary = self._summary
        summary.read += 1
        rules: set[Rule] = {match.rule for match in matches}
        for rule in rules:
            summary.rules[rule] = summary.rules.get(rule, 0) + 1
        benchmarks = [summary.benchmarks[name] for name in {match.benchmark for match in matches}]
        if not _is_contaminated(matches):
            summary.kept += 1
            summary.warned += bool(matches)
            for benchmark in benchmarks:
                benchmark.warned += 1
            return "warned" if matches else "kept"
        summary.rejected += 1
        for benchmark in benchmarks:
            benchmark.rejected += 1
        for match in matches:
            self._found.setdefault(match.benchmark, set()).add(match.task_id)
        return "rejected"

    def finished(self) -> Summary:
        """Return the counts, with each benchmark's tasks that were found."""
        for name, tasks in self._found.items():
            self._summary.benchmarks[name].found = len(tasks)
        self._summary.rules = dict(sorted(self._summary.rules.items()))
        return self._summary


def _rows(source: Path) -> Iterator[tuple[int, bytes, Row]]:
    """Yield line number, bytes and record of each row."""
    for line, raw in read_numbered(source, msgspec.Raw):
        try:
            yield line, bytes(raw), to_row(msgspec.json.decode(raw, type=dict[str, Any]))
        except ValueError as error:
            raise DataError(f"wrong row: {error}", path=source, line=line) from error


def _write(files: dict[str, BinaryIO], raw: bytes, row: _Warned) -> None:
    if not _is_contaminated(row.matches):
        files[ROWS].write(raw + b"\n")
        if row.matches:
            files[WARNINGS].write(msgspec.json.encode(row) + b"\n")
        return
    added = msgspec.json.encode({"reason": f"contaminated_{row.matches[0].rule}", "matches": row.matches})
    # The row's own bytes stay as they are; where it has fields of these names, readers see ours.
    files[REJECTS].write(raw[:-1] + b"," + added[1:] + b"\n")


def _is_contaminated(matches: Sequence[Match]) -> bool:
    return any(match.tier == "contaminated" for match in matches)
