"""The files of a finished build besides the documents: report, card, manifest, timing."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from corpus.pipeline.task import Done, Part
from corpus.readers.shard import InputPlan
from corpus.report.card import render_card
from corpus.report.page import render_page
from corpus.report.schema import BuildReport
from opencoder import __version__
from opencoder.errors import UserError
from opencoder.files import make_folder, write_bytes
from opencoder.runs import Run
from opencoder.store import read_json, write_json

MANIFEST = "manifest.json"
REPORT = "report.json"
NAMES = ("work", "documents", "rejects", MANIFEST, REPORT, "report.html", "README.md", "timing.json")
"""What a build writes into its folder besides the files of every run."""

_SCHEMA_VERSION = 1


class OutputFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the result."""

    path: str
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished build consists of. Written last: where it is, all the rest is whole.

    Attributes:
        config_hash: Of the settings, as in ``run.json``.
        inputs: Digest of names, sizes and times of the inputs.
        files: Documents and rejects.
    """

    schema_version: int = _SCHEMA_VERSION
    version: str
    config_hash: str
    inputs: str
    read: int
    kept: int
    rejected: int
    files: list[OutputFile]


class StepTiming(msgspec.Struct, frozen=True, kw_only=True):
    """What one step took, over all sessions.

    Attributes:
        cpu_s: CPU seconds of its tasks.
        rss_bytes: Most memory of one worker until then.
    """

    step: str
    tasks: int
    cpu_s: float
    mb: float
    mb_per_cpu_s: float | None
    rss_bytes: int


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """What a build took; not part of the result.

    Attributes:
        memory_bytes: Most memory that it was allowed.
        leader_rss_bytes: Most memory of the process that leads, the database in it, in the last session.
    """

    workers: int
    memory_bytes: int
    leader_rss_bytes: int
    steps: list[StepTiming]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a build says when it is finished."""

    read: int
    kept: int
    rejected: int
    exact_duplicates: int
    fuzzy_duplicates: int
    bytes_read: int
    bytes_kept: int
    out: str


def plan_digest(plan: InputPlan) -> str:
    """Return a hex digest that changes when an input does."""
    return hashlib.sha256(msgspec.json.encode(plan)).hexdigest()


def inputs_changed(out: Path) -> UserError:
    """Return the error of a folder whose build is of other inputs."""
    return UserError(
        f"{out} holds a build of other inputs (files came, went or changed since it began); choose another "
        "folder with -o, or start over with --no-resume"
    )


def prepare(out: Path) -> None:
    """Create the folders of the result."""
    for name in ("documents", "rejects"):
        make_folder(out / name)


def finished(out: Path, inputs: str) -> Summary | None:
    """Return the summary of the build in ``out`` if it is finished and of these inputs."""
    if not (out / MANIFEST).exists():
        return None
    manifest = read_json(out / MANIFEST, Manifest)
    if manifest.inputs != inputs:
        raise inputs_changed(out)
    return _summary(read_json(out / REPORT, BuildReport), out)


def finish(
    run: Run,
    report: BuildReport,
    written: Sequence[Done],
    inputs: str,
    *,
    workers: int,
    memory_bytes: int,
    tasks: Iterable[Done],
) -> Summary:
    """Write everything else, the manifest last."""
    out = run.folder
    parts = [part for done in written for part in [*done.parts, *done.rejects]]
    num_files = sum(part.name.startswith("documents/") for part in parts)
    write_json(out / REPORT, report)
    write_bytes(out / "report.html", render_page(report).encode())
    write_bytes(out / "README.md", render_card(report, num_files=num_files).encode())
    timing = Timing(
        workers=workers,
        memory_bytes=memory_bytes,
        leader_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        steps=_timings(tasks),
    )
    write_json(out / "timing.json", timing)
    manifest = Manifest(
        version=__version__,
        config_hash=run.manifest.config_hash,
        inputs=inputs,
        read=report.read.documents,
        kept=report.kept.documents,
        rejected=report.rejected.documents,
        files=[_output(part) for part in sorted(parts, key=lambda part: part.name)],
    )
    write_json(out / MANIFEST, manifest)
    return _summary(report, out)


def _output(part: Part) -> OutputFile:
    return OutputFile(path=part.name, rows=part.rows, bytes=part.file_bytes, sha256=part.sha256)


def _summary(report: BuildReport, out: Path) -> Summary:
    return Summary(
        read=report.read.documents,
        kept=report.kept.documents,
        rejected=report.rejected.documents,
        exact_duplicates=report.duplicates.exact,
        fuzzy_duplicates=report.duplicates.fuzzy,
        bytes_read=report.read.bytes,
        bytes_kept=report.kept.bytes,
        out=str(out),
    )


def _timings(tasks: Iterable[Done]) -> list[StepTiming]:
    by_step: dict[str, list[Done]] = {}
    for done in tasks:
        by_step.setdefault(done.key.partition("/")[0], []).append(done)
    return [_timing(step, dones) for step, dones in by_step.items()]


def _timing(step: str, dones: Sequence[Done]) -> StepTiming:
    cpu_s, mb = sum(done.cpu_s for done in dones), sum(done.num_bytes for done in dones) / 1e6
    return StepTiming(
        step=step,
        tasks=len(dones),
        cpu_s=round(cpu_s, 3),
        mb=round(mb, 3),
        mb_per_cpu_s=round(mb / cpu_s, 3) if cpu_s else None,
        rss_bytes=max(done.rss_bytes for done in dones),
    )
