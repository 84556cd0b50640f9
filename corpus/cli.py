"""``opencoder corpus``: build clean code corpora."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from corpus.dedup.profiles import choose_profile
from opencoder.config import Common
from opencoder.errors import DependencyError, UserError
from opencoder.log import emit

if TYPE_CHECKING:
    from corpus.dedup.run import Summary

app = App(name="corpus", help="Build clean code corpora.")

_NEEDED = {"bs4", "duckdb", "esprima", "jieba", "MeCab", "numpy", "pyarrow", "pygments", "zhconv"}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class DedupOptions:
    """Options of ``dedup``."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of kept.parquet and dropped.parquet."""
    profile: Literal["paper", "near", "stack"] = "paper"
    """How near is a duplicate: paper (16 bands of 128, threshold 0.98), near (128 of 16, 0.74), stack (25 of
    10 over 256 permutations, 0.72)."""
    bands: int | None = None
    """Bands in place of the profile's."""
    rows: int | None = None
    """Rows of a band in place of the profile's."""
    num_perm: int | None = None
    """Permutations in place of the profile's."""
    shingle: Literal["word5", "char5"] | None = None
    """Five words or five characters, in place of the profile's."""
    level: Literal["file", "chunk", "repo"] = "file"
    """What is compared: files, chunks of 4096 words (which are cut out), or whole repositories."""
    verify: float | None = None
    """Least Jaccard similarity (0 to 1) of a dropped near-duplicate to the file that stays; without it
    whatever shares a cluster goes, as in the paper."""
    concurrency: int | None = None
    """Threads; one per CPU if not given."""
    memory_mb: int = 1024
    """Most memory of the database that groups exact copies, in MiB; what is more goes to disk."""
    limit: int | None = None
    """Only the first so many documents."""


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
    with _extra():
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
    with _extra():
        from corpus.explain_folder import explain_folder

        num = explain_folder(source, out, mode)
    answer = {"files": num, "mode": mode, "out": str(out)}
    emit(answer, json=common is not None and common.json, text=lambda: f"{num} files explained in {out}")


@contextmanager
def _extra() -> Iterator[None]:
    """Name the extra where one of its packages is missing.

    Raises:
        DependencyError: It is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        raise DependencyError(
            f"corpus needs {error.name}", repair="pip install 'opencoder[corpus]'"
        ) from error


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
