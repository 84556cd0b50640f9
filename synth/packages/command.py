"""``opencoder synth api``: the API store of packages, and seeds for the package recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import UserError
from opencoder.log import emit
from opencoder.store import write_json
from synth.packages.store import ApiStore, Distribution

SEEDS = "seeds.jsonl"
USAGE = "usage.json"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ApiOptions:
    """Options of ``opencoder synth api``."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder for api.jsonl, store.json, seeds.jsonl and usage.json."""
    popular: list[str] = field(default_factory=list)
    """Also the popular libraries of this field (arrays, text, ...) that are installed; may be given again."""
    python: Path | None = None
    """Interpreter whose packages are meant; the one that runs this if not given."""
    usage: Path | None = None
    """Code to count uses in: a folder of .py files, or rows (.jsonl, .parquet) with content and repo."""
    n: int = 1000
    """Seed rows to draw."""
    seed: int = 0
    """Seed of the draw."""
    inventory: Path | None = None
    """An objects.inv file: the names that the documentation uses."""
    previous: Path | None = None
    """Folder of the store of an earlier version; what changed since then goes into the seeds."""
    live: bool = True
    """Load the packages in a sandbox; --no-live only reads their sources."""
    trust: bool = False
    """Load them without a sandbox, and let pip build what has no wheel: both run their code here."""


class ApiReport(msgspec.Struct, kw_only=True):
    """What came out of a run.

    Attributes:
        out: The folder.
        distributions: What is in the store.
        counts: Entries by kind.
        seeds: Seed rows written.
        files: Files of the corpus that were read for the usage count.
        repositories: Repositories that they are from.
        removed: Names that are gone since the previous store.
    """

    out: str
    distributions: list[Distribution]
    counts: dict[str, int]
    seeds: int
    files: int = 0
    repositories: int = 0
    removed: int = 0


def api(*packages: str, options: ApiOptions, common: Common | None = None) -> None:
    """Write down the interface of packages, and seeds for the package recipe.

    Args:
        packages: Distributions, as NAME (the installed version, else the newest) or NAME==VERSION.
        options: Options of this command.
        common: Options of every command.
    """
    report = make_api(packages, options)
    emit(report, json=bool(common and common.json), text=lambda: _text(report))


def make_api(packages: Sequence[str], options: ApiOptions) -> ApiReport:
    """Do the work of ``opencoder synth api`` and say what came out.

    Raises:
        UserError: A package, a file or a number is wrong.
        DependencyError: Something that is needed is not installed.
    """
    from synth.packages.diff import compare
    from synth.packages.environment import build_store
    from synth.packages.interpreter import Interpreter
    from synth.packages.inventory import read_inventory
    from synth.packages.seeds import write_seeds
    from synth.packages.usage import Usage, count_usage, read_sources

    if options.n < 0:
        raise UserError(f"--n is {options.n}; give 0 or more")
    packages = list(dict.fromkeys([*packages, *_popular(options)]))
    names = read_inventory(options.inventory) if options.inventory else frozenset()
    previous = ApiStore.open(options.previous) if options.previous else None
    usage = Usage()
    if options.usage is not None:
        known = Interpreter.at(options.python).distributions_by_module()
        usage = count_usage(read_sources(options.usage), known)
    store = build_store(
        packages, options.out, python=options.python, inventory=names, live=options.live, trust=options.trust
    )
    if options.usage is not None:
        write_json(options.out / USAGE, usage)
    changes = compare(previous, store) if previous is not None else None
    num_seeds = write_seeds(store, usage.names, options.n, options.seed, options.out / SEEDS, changes=changes)
    return ApiReport(
        out=str(options.out),
        distributions=store.manifest.distributions,
        counts=store.manifest.counts,
        seeds=num_seeds,
        files=usage.files,
        repositories=usage.repositories,
        removed=len(changes.removed) if changes is not None else 0,
    )


def _popular(options: ApiOptions) -> list[str]:
    """Return the popular libraries of the fields that were named, as far as they are installed."""
    from synth.packages.interpreter import Interpreter
    from synth.packages.popular import popular_libraries

    if not options.popular:
        return []
    place = Interpreter.at(options.python)
    names = [one.distribution for one in popular_libraries(options.popular)]
    found = [name for name in names if place.find(name) is not None]
    if not found:
        raise UserError(
            f"none of {', '.join(names)} is installed; install some or name packages, NAME==VERSION"
        )
    return found


def _text(report: ApiReport) -> str:
    lines = []
    for one in report.distributions:
        lines.append(f"{one.name} {one.version}: {one.entries} names{'' if one.live else ' (sources only)'}")
        lines += [f"  {note}" for note in one.notes]
    if report.files:
        lines.append(f"uses counted in {report.files} files of {report.repositories} repositories")
    if report.removed:
        lines.append(f"{report.removed} names are gone since the previous store")
    return "\n".join([*lines, f"{report.seeds} seeds", f"written to {report.out}"])
