"""``opencoder synth decontaminate``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import UserError
from opencoder.log import emit
from opencoder.runs import new_folder

if TYPE_CHECKING:
    from synth.decontam.references import Reference
    from synth.decontam.run import Summary

NO_BENCHMARKS = "none"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class DecontaminateOptions:
    """Options of decontamination."""

    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None
    """Folder for the result; a new one below runs/ if not given."""
    mode: Literal["default", "paper"] = "default"
    """Rules: default (functions, runs of ten words, short prompts, near matches) or the paper's two."""
    bench: str = ""
    """Benchmarks, separated by commas, or none; all whose data is at hand if not given."""
    references: Path | None = None
    """JSON lines with further held-out tasks: prompt, solution, tests, entry_point, task_id, benchmark."""
    limit: int | None = None
    """Only the first so many rows."""


def decontaminate_command(
    rows: Path, *, options: DecontaminateOptions | None = None, common: Common | None = None
) -> None:
    """Take rows that hold benchmark tasks out of a data set.

    Args:
        rows: JSON lines of any shape that `opencoder synth` knows.
        options: Options of decontamination.
        common: Options of every command.
    """
    from synth.decontam.run import decontaminate

    given = options or DecontaminateOptions()
    if given.limit is not None and given.limit < 1:
        raise UserError(f"--limit is {given.limit}; give at least 1")
    references = _references(given)
    settings = {**asdict(given), "rows": str(rows)}
    out = given.out or new_folder("synth decontaminate", rows.name.partition(".")[0], settings)
    summary = decontaminate(rows, out, references=references, mode=given.mode, limit=given.limit)
    emit(summary, json=bool(common and common.json), text=lambda: _text(summary, out))


def _references(options: DecontaminateOptions) -> list[Reference]:
    from synth.decontam.references import load_references, references_from

    own = references_from(options.references) if options.references else []
    names = [name.strip() for name in options.bench.split(",") if name.strip()]
    if names != [NO_BENCHMARKS]:
        return [*load_references(names), *own]
    if not own:
        raise UserError(f"--bench {NO_BENCHMARKS} leaves nothing to look for; give --references")
    return own


def _text(summary: Summary, out: Path) -> str:
    lines = [f"{'benchmark':24} {'tasks':>6} {'found':>6} {'rejected':>9} {'warned':>7}"]
    lines += [
        f"{name:24} {one.tasks:>6} {one.found:>6} {one.rejected:>9} {one.warned:>7}"
        for name, one in summary.benchmarks.items()
    ]
    rules = ", ".join(f"{rule} {num}" for rule, num in summary.rules.items()) or "no match"
    lines.append(f"{summary.read} rows: {summary.kept} kept, {summary.rejected} rejected ({rules})")
    return "\n".join([*lines, f"{summary.warned} kept rows are near a task", f"written to {out}"])
