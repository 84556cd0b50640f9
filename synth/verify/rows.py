"""Verification of a whole data set, whatever its columns are called."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from opencoder.errors import InfraError
from opencoder.files import sha256_file
from opencoder.llm.flow import each
from opencoder.log import Progress, progress
from opencoder.runs import Run
from opencoder.store import read_numbered, write_json
from sandbox.api import Limits, Sandbox
from sandbox.backends import open_backend
from synth.ordered import LEDGER, REJECTS, ROWS, OrderedOutput
from synth.record import Row, Verification
from synth.shapes import read_rows
from synth.verify.limits import SIDE_BY_SIDE
from synth.verify.row import verify_row
from synth.verify.verify import Gate

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is to be verified, and how.

    Attributes:
        source: JSON lines of a known shape (``synth.shapes``).
        folder: Where ``rows.jsonl`` and ``rejects.jsonl`` go.
        gate: What tests must be worth.
        limits: Of one run of the code.
        limit: Only the first so many rows.
        workers: Rows side by side.
        backend: Of the sandbox; None for the best there is.
        unsafe: Allow a backend without a boundary.
        packages: A folder of packages that the code can import.
        resume: Go on with what is in the folder.
    """

    source: Path
    folder: Path
    gate: Gate
    limits: Limits
    limit: int | None = None
    workers: int | None = None
    backend: str | None = None
    unsafe: bool = False
    packages: Path | None = None
    resume: bool = True


async def verify_rows(plan: Plan) -> dict[str, Any]:
    """Verify the rows of a file; each keeps its columns and gets one more, ``verify``.

    Rows that pass go to ``rows.jsonl``, the others to ``rejects.jsonl`` with ``reason`` and ``detail``, both
    in the order of the file.

    Returns:
        The manifest: counts, reasons, histograms of status, killed mutants and covered lines.

    Raises:
        DataError: The file is broken, or a row is of no known shape; with ``file:line``.
        DependencyError: No sandbox can be had.
        InfraError: The sandbox failed; what was done is kept.
    """
    total = sum(1 for _ in _limited(plan))
    config = {
        "source_sha256": sha256_file(plan.source),
        "gate": msgspec.to_builtins(plan.gate),
        "cpu_s": plan.limits.cpu_s,
        "memory_mb": plan.limits.memory_mb,
    }
    workers = plan.workers or SIDE_BY_SIDE * len(os.sched_getaffinity(0))
    with Run.open(plan.folder, command="synth verify", config=config, resume=plan.resume) as run:
        for name in (ROWS, REJECTS, LEDGER, MANIFEST):
            run.path(name)
        with OrderedOutput(plan.folder) as output, progress("verifying", total) as shown:
            shown.skip(output.done)
            async with open_backend(
                plan.backend,
                concurrency=workers,
                unsafe=plan.unsafe,
                time_factor=None,
                packages=plan.packages,
            ) as sandbox:
                job = _Job(plan, sandbox, output, shown)
                await each(_entries(plan, output.done), job.take, workers)
        manifest = _manifest(plan, total)
        run.manifest.counts = manifest["counts"]
        write_json(plan.folder / MANIFEST, manifest)
    return manifest


class _Job:
    def __init__(self, plan: Plan, sandbox: Sandbox, output: OrderedOutput, shown: Progress) -> None:
        self._plan, self._sandbox, self._output, self._shown = plan, sandbox, output, shown

    async def take(self, entry: tuple[int, dict[str, Any], Row]) -> None:
        """Verify one row and put it where it belongs.

        Raises:
            InfraError: The sandbox failed.
        """
        index, data, row = entry
        found = await verify_row(self._sandbox, row, self._plan.gate, self._plan.limits)
        record = {**data, "verify": found}
        if found.status == "pass":
            self._output.put(index, "row", record)
        else:
            reject = {**record, "reason": found.reason or found.status, "detail": found.detail}
            self._output.put(index, "reject", reject, found.reason or found.status)
        self._shown.advance(status=found.status)


def _limited(plan: Plan) -> Iterator[tuple[int, Row]]:
    for number, entry in enumerate(read_rows(plan.source)):
        if plan.limit is not None and number >= plan.limit:
            return
        yield entry


def _entries(plan: Plan, first: int) -> Iterator[tuple[int, dict[str, Any], Row]]:
    both = zip(_limited(plan), read_numbered(plan.source, dict[str, Any]), strict=False)
    for index, ((_, row), (_, data)) in enumerate(both):
        if index >= first:
            yield index, data, row


def _manifest(plan: Plan, total: int) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    killed: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for name in (ROWS, REJECTS):
        for _, data in read_numbered(plan.folder / name, dict[str, Any]):
            found = msgspec.convert(data["verify"], Verification)
            counts[found.status] += 1
            if found.reason:
                reasons[found.reason] += 1
            if found.mutants:
                killed[f"{found.killed / found.mutants:.1f}"] += 1
            if found.line_cov is not None:
                lines[f"{found.line_cov:.1f}"] += 1
    rows = counts["pass"]
    return {
        "schema": "synth-verify/1",
        "source": {"path": plan.source.name, "sha256": sha256_file(plan.source)},
        "counts": {
            "input": total,
            "rows": rows,
            "rejects": counts.total() - rows,
            "pending": total - counts.total(),
        },
        "reasons": dict(reasons.most_common()),
        "verification": {
            "status": dict(counts.most_common()),
            "mutants_killed": dict(sorted(killed.items())),
            "line_coverage": dict(sorted(lines.items())),
        },
    }


def run_verify(plan: Plan) -> dict[str, Any]:
    """Run :func:`verify_rows`.

    Raises:
        InfraError: The sandbox failed; the message says how to go on.
    """
    try:
        return asyncio.run(verify_rows(plan))
    except InfraError as error:
        raise InfraError(f"{error}; what was verified is kept") from error
