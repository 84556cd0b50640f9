"""``opencoder corpus``: build clean code corpora."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from corpus.dedup.profiles import choose_profile
from corpus.options import BuildOptions, DedupOptions
from opencoder.config import Common
from opencoder.errors import UserError, needs
from opencoder.log import emit

if TYPE_CHECKING:
    from corpus.dedup.run import Summary
    from corpus.pipeline.outputs import Summary as BuildSummary

app = App(name="corpus", help="Build clean code corpora.")

_NEEDED = {"bs4", "duckdb", "esprima", "jieba", "MeCab", "numpy", "pyarrow", "pygments", "zhconv"}


@app.command
def dedup(
    source: Annotated[Path, Parameter(name="IN", help="Folder of files, .jsonl(.gz, .zst) or .parquet.")],
    *,
    options: DedupOptions,
    common: Common | None = None,
) -> None:
    """Drop exact copies and near-duplicates; the one with most stars, then the newest, stays."""
    profile = choose_profile(
        options.profile,
        bands=options.bands,
        rows=options.rows,
        num_perm=options.num_perm,
        shingle=options.shingle,
    )
    for flag, value in (
        ("--concurrency", options.concurrency),
        ("--memory-mb", options.memory_mb),
        ("--limit", options.limit),
    ):
        if value is not None and value < 1:
            raise UserError(f"{flag} must be at least 1, not {value}")
    if options.verify is not None and not 0 <= options.verify <= 1:
        raise UserError(f"--verify must be from 0 to 1, not {options.verify}")
    with needs(_NEEDED, "corpus"):
        from corpus.dedup.run import Settings, deduplicate
    done = deduplicate(
        Settings(
            source=source,
            out=options.out,
            profile=profile,
            level=options.level,
            verify=options.verify,
            concurrency=options.concurrency or len(os.sched_getaffinity(0)),
            memory_mb=options.memory_mb,
            limit=options.limit,
        )
    )
    emit(asdict(done), json=common is not None and common.json, text=lambda: _text(done, options.out))


@app.command
def build(
    sources: Annotated[
        list[str],
        Parameter(name="IN", help="Folders, git checkouts, .jsonl(.gz, .zst), .parquet, or hub ids."),
    ],
    *,
    options: BuildOptions,
    common: Common | None = None,
) -> None:
    """Build a clean corpus: deduplicated, redacted, filtered, sampled; every reject with its reason."""
    with needs(_NEEDED, "corpus"):
        from corpus.pipeline.build import build as run
        from corpus.pipeline.from_options import machine_of, settings_of

        settings, machine = settings_of(sources, options), machine_of(options)
        config = {"sources": sources, **asdict(options)}
        done = run(settings, options.out, machine, config=config, resume=options.resume)
    emit(done, json=common is not None and common.json, text=lambda: _built(done))


@app.command
def explain(
    source: Annotated[Path, Parameter(name="IN", help="Folder of files.")],
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    mode: Literal["compat", "default"] = "default",
    common: Common | None = None,
) -> None:
    """Say of each file what its signals are, which rules drop it, and by which value.

    Args:
        source: Folder of files.
        out: File of records, one JSON object a line, in the order of paths.
        mode: compat decides as the filter that was published with the paper, default without its faults.
        common: Options of all commands.
    """
    if not source.is_dir():
        raise UserError(f"{source} is not a folder; give the folder that holds the files")
    with needs(_NEEDED, "corpus"):
        from corpus.explain_folder import explain_folder

        num = explain_folder(source, out, mode)
    answer = {"files": num, "mode": mode, "out": str(out)}
    emit(answer, json=common is not None and common.json, text=lambda: f"{num} files explained in {out}")


def _built(done: BuildSummary) -> str:
    rows = (
        ("read", done.read, f"{done.bytes_read / 1e6:.1f} MB"),
        ("exact duplicates", done.exact_duplicates, ""),
        ("near-duplicates", done.fuzzy_duplicates, ""),
        ("rejected in all", done.rejected, ""),
        ("kept", done.kept, f"{done.bytes_kept / 1e6:.1f} MB"),
    )
    lines = [f"{name:17} {number:>9} {more:>12}".rstrip() for name, number, more in rows]
    return "\n".join([*lines, f"what went and why: {done.out}/report.html"])


def _text(done: Summary, out: Path) -> str:
    rows: tuple[tuple[str, int], ...] = (
        ("documents", done.documents),
        ("exact duplicates", done.exact_duplicates),
        ("near-duplicates", done.fuzzy_duplicates),
        ("kept", done.kept),
    )
    if done.level != "file":
        rows = (rows[0], (f"{done.level}s", done.units), *rows[1:])
    if done.verify is not None:
        rows = (*rows, ("spared", done.spared))
    lines = [f"{name:17} {number:>9}" for name, number in rows]
    return "\n".join([*lines, f"profile {done.profile}, threshold {done.threshold:.3f}; results in {out}"])
