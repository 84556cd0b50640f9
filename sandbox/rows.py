"""Rows of ``sandbox batch``: programs on disk, and what became of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from opencoder.errors import DataError, UserError
from opencoder.store import read_numbered
from sandbox.api import Limits, Program, Result, Sandbox, Verdict
from sandbox.assertions import outline
from sandbox.calibrate import time_factor
from sandbox.cases import CaseSet
from sandbox.jobs import encode_job, text_bytes
from sandbox.judge import Judgement, Solution, TestCode, judge_cases, judge_script, judge_tests
from sandbox.judgement import JudgedBy
from sandbox.languages import language

Judge = Literal["cases", "tests"]

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
# 1 TiB: far beyond any machine of today, and small enough for the kernel's counters in bytes.
Mebibytes = Annotated[int, Meta(ge=1, le=1 << 20)]
Bytes = Annotated[int, Meta(ge=0, le=1 << 40)]


class LimitsRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits of one program, named as in :class:`sandbox.api.Limits`; what is not given is the default."""

    wall_s: Seconds | None = None
    cpu_s: Seconds | None = None
    memory_mb: Mebibytes | None = None
    address_space_mb: Mebibytes | None = None
    disk_mb: Mebibytes | None = None
    # A program needs a few for its own folders.
    inodes: Annotated[int, Meta(ge=16, le=1 << 32)] | None = None
    output_bytes: Bytes | None = None
    result_bytes: Bytes | None = None
    pids: Annotated[int, Meta(ge=1, le=1 << 22)] | None = None
    compile_wall_s: Seconds | None = None

    @classmethod
    def checked(cls, values: dict[str, Any]) -> LimitsRow:
        """Return a row of ``values``.

        Raises:
            UserError: A value is out of its range.
        """
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise UserError(f"wrong limit: {error}") from error

    def limits(self) -> Limits:
        """Return the limits with the defaults filled in."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return Limits(**given)


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """One program to run; unknown fields are ignored.

    ``stdin`` of the form ``@repeat:c:n`` stands for ``n`` times ``c``. ``cases`` are pairs of a list of
    arguments and the expected answer.
    """

    id: str
    language: str
    program: str
    mode: Literal["script", "solution"] = "script"
    stdin: str = ""
    limits: LimitsRow = LimitsRow()
    fetch_files: list[str] = []
    entry_point: str = ""
    cases: list[tuple[list[Any], Any]] | None = None
    test_code: str | None = None

    def as_program(self) -> Program:
        """Return the program of a script.

        Raises:
            UserError: ``stdin`` starts with ``@repeat:`` and is no such form.
        """
        return Program(
            language=self.language,
            source=self.program,
            stdin=_stdin(self.stdin),
            fetch=tuple(self.fetch_files),
            limits=self.limits.limits(),
        )

    def judge(self, asked: Judge | None) -> Judge | None:
        """Return how this row is judged; None for a script.

        Raises:
            UserError: A solution lacks what it would be judged by.
        """
        if self.mode == "script":
            return None
        chosen: Judge = asked or ("tests" if self.cases is None else "cases")
        if not self.entry_point and chosen == "cases":
            raise UserError("a solution judged by cases needs `entry_point`")
        if (self.cases if chosen == "cases" else self.test_code) is None:
            field = "cases" if chosen == "cases" else "test_code"
            raise UserError(f"a solution judged by {chosen} needs `{field}`; see --judge")
        return chosen


class OutRow(msgspec.Struct, kw_only=True):
    """What became of one program. Streams are UTF-8 with replacement, files are base64.

    ``time_factor`` is how many times as long its limits were as it asked for (see ``sandbox.calibrate``).
    """

    id: str
    verdict: Verdict
    exit_code: int | None = None
    signal: int | None = None
    stdout: str = ""
    stderr: str = ""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0
    flags: list[str] = []
    files: dict[str, str] = {}
    backend: str = ""
    guarantee: str = ""
    launcher: str = ""
    attempts: int = 1
    detail: str = ""
    image_digest: str = ""
    judged_by: JudgedBy = "exit"
    time_factor: float = 1.0


def read_rows(path: Path, asked: Judge | None) -> list[BatchRow]:
    """Read and check all rows of a batch.

    Raises:
        DataError: A row that cannot be run, or an id that stands twice; with ``file:line``.
    """
    lines: dict[str, int] = {}
    rows: list[BatchRow] = []
    for line, row in read_numbered(path, BatchRow):
        if row.id in lines:
            raise DataError(f"id {row.id!r} stands already in line {lines[row.id]}", path=path, line=line)
        lines[row.id] = line
        try:
            check(row, asked)
        except UserError as error:
            raise DataError(f"wrong row: {error}", path=path, line=line) from error
        rows.append(row)
    return rows


def check(row: BatchRow, asked: Judge | None) -> None:
    """Find what would keep ``row`` from being run.

    Raises:
        UserError: Says what.
    """
    judge = row.judge(asked)
    program = row.as_program()
    encode_job(program)
    if judge is not None and language(program.language).run is not None:
        raise UserError(f"only Python can run as a solution, not {row.language}")
    if judge == "tests":
        try:
            found = outline(row.test_code or "")
            if not row.entry_point and not found.needs_solution_beside:
                raise UserError("a solution needs `entry_point`, unless its `test_code` has test classes")
        except (SyntaxError, ValueError, RecursionError) as error:
            raise UserError(f"`test_code` is not valid Python: {error}") from error


async def run_row(sandbox: Sandbox, row: BatchRow, asked: Judge | None) -> OutRow:
    """Run and judge one row; a fault of the sandbox becomes the verdict ``sandbox_error``."""
    judgement = await _judge(sandbox, row, asked)
    return out_row(row.id, judgement, sandbox)


async def _judge(sandbox: Sandbox, row: BatchRow, asked: Judge | None) -> Judgement:
    judge = row.judge(asked)
    program = row.as_program()
    try:
        if judge is None:
            return await judge_script(sandbox, program)
        item = Solution(source=row.program, entry_point=row.entry_point, limits=program.limits)
        if judge == "tests":
            return await judge_tests(sandbox, item, TestCode(code=row.test_code or ""), recheck=True)
        pairs = row.cases or []
        cases = CaseSet.of([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        return await judge_cases(sandbox, item, cases)
    except UserError as error:  # the rows have been checked, so it is the machine that lacks something
        result = Result(verdict=Verdict.SANDBOX_ERROR, detail=str(error))
        return Judgement(verdict=result.verdict, result=result, detail=result.detail)


def out_row(row_id: str, judgement: Judgement, sandbox: Sandbox) -> OutRow:
    """Return the row that tells how ``judgement`` came about."""
    result = judgement.result
    return OutRow(
        id=row_id,
        verdict=judgement.verdict,
        exit_code=result.exit_code,
        signal=result.signal,
        stdout=result.stdout.decode("utf-8", "replace"),
        stderr=result.stderr.decode("utf-8", "replace"),
        stdout_truncated=result.stdout_truncated,
        stderr_truncated=result.stderr_truncated,
        wall_s=round(result.wall_s, 6),
        cpu_s=round(result.cpu_s, 6),
        memory_bytes=result.memory_bytes,
        flags=result.flags,
        files={name: base64.b64encode(data).decode("ascii") for name, data in result.files.items()},
        backend=sandbox.name,
        guarantee=sandbox.guarantee,
        launcher=result.launcher,
        attempts=result.attempts,
        detail=judgement.detail,
        image_digest=sandbox.image_digest,
        judged_by=judgement.judged_by,
        time_factor=time_factor(sandbox),
    )


_MAX_STDIN = 1 << 30


def _stdin(text: str) -> bytes:
    if not text.startswith("@repeat:"):
        return text_bytes(text)
    unit, _, count = text.removeprefix("@repeat:").rpartition(":")
    if not unit or not count.isascii() or not count.isdigit() or len(unit) * int(count) > _MAX_STDIN:
        raise UserError(f"stdin {text[:40]!r} is not @repeat:TEXT:COUNT of at most {_MAX_STDIN} characters")
    return unit.encode() * int(count)


def read_finished(path: Path) -> Iterator[OutRow]:
    """Yield the rows of an earlier session that need not be run again: all but the sandbox's own faults."""
    for _, row in read_numbered(path, OutRow):
        if row.verdict is not Verdict.SANDBOX_ERROR:
            yield row
