"""What there is to read, cut into shards.

The same input gives the same shards, in the order of the sources and of the names in each. What makes a
source:

Folder
    All files below it. A folder below it with a ``.git`` is a checkout (see :mod:`corpus.readers.checkout`).
Folder of rows
    A folder with ``.parquet`` or JSON lines files and, hidden files and :data:`_BESIDE` apart, nothing else.
    Links to such files count here, as the hub's cache is made of them, and so does a checkout of such files.
``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``, ``.parquet``
    Rows (see :mod:`corpus.readers.layouts`).
``hf://datasets/owner/name[@revision][/path]`` or ``owner/name[@revision]`` where there is no such path
    A data set of the Hugging Face hub (see :mod:`corpus.readers.hub`).

With several sources each id begins with the name of its source and a colon.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from corpus.readers.checkout import NoCheckoutError, read_checkout
from corpus.readers.folder import Walked, plan_files, told, walk
from corpus.readers.hub import DataSet, data_set, fetch
from corpus.readers.jsonl import plan_jsonl
from corpus.readers.license import find_license
from corpus.readers.shard import DEFAULT_SHARD_BYTES, InputPlan, Shard
from corpus.readers.stars import read_stars
from opencoder.errors import DataError, UserError
from opencoder.log import logger

_SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
_BESIDE = ("readme*", "license*", "dataset_info*.json", "state.json", "manifest.json", "_success")
"""What may lie beside files of rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    path: Path
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Options:
    shard_bytes: int
    skip: Path | None
    prefix: str
    stars: dict[str, int]


def plan_inputs(
    sources: Sequence[str],
    *,
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    stars: Path | None = None,
    skip_bad: bool = False,
    skip: Path | None = None,
) -> InputPlan:
    """Look at all sources and cut them into shards.

    Files of rows are checked first: packed ones are whole (see :mod:`corpus.readers.packed`), Parquet has its
    footer and all its row groups, and columns hold what is needed.

    Args:
        sources: Folders, files or data sets of the hub.
        shard_bytes: About how much a shard takes on disk.
        stars: Table of the stars of repositories, for checkouts.
        skip_bad: Pass over files and folders that cannot be read, in place of refusing them.
        skip: A folder to pass over, such as that of the output.

    Raises:
        DataError: A source is missing, or a file is damaged and ``skip_bad`` is off: names the first and how
            many there are.
        DependencyError: A program or package is missing that a source needs.
        UserError: A source is of no known kind.
    """
    shards: list[Shard] = []
    bad: dict[str, str] = {}
    table = {} if stars is None else read_stars(stars)
    prefixes = [f"{name}:" for name in _names(sources)] if len(sources) > 1 else [""] * len(sources)
    for source, prefix in zip(sources, prefixes, strict=True):
        options = _Options(shard_bytes=shard_bytes, skip=skip, prefix=prefix, stars=table)
        shards += _source(source, options, bad)
    if bad and not skip_bad:
        first, reason = next(iter(bad.items()))
        more = f" ({len(bad)} such files in all)" if len(bad) > 1 else ""
        raise DataError(f"{reason}{more}; mend it, or pass over with --skip-bad", path=first)
    return InputPlan(shards=tuple(shards), bad=bad)


def _names(sources: Sequence[str]) -> list[str]:
    """Return a name for each source, no two the same, none with a colon."""
    bases = [_base(source).replace(":", "_") for source in sources]
    names: list[str] = []
    for base in bases:
        name, number = base, 1
        # The first of several keeps the name, unless another source has it by itself.
        while name in names or (number > 1 and name in bases):
            number += 1
            name = f"{base}~{number}"
        names.append(name)
    return names


def _base(source: str) -> str:
    name = Path(source).name
    return name if name not in ("", "..") else Path(source).resolve().name or "root"


def _source(source: str, options: _Options, bad: dict[str, str]) -> list[Shard]:
    path = Path(source)
    if not _is_utf8(source):
        raise DataError("its name is not UTF-8; rename it", path=told(source))
    if path.is_dir():
        found = walk(path, skip=options.skip)
        rows = _rows_of(path, found)
        if rows is not None:
            return _plan_rows(rows, options, bad)
        if os.path.lexists(path / ".git"):
            return _plan_checkout(path, "", options, bad)
        return _plan_folder(path, found, options, bad)
    if not os.path.lexists(path):
        wanted = data_set(source)
        if wanted is None or (path.name.endswith(_SUFFIXES) and not source.startswith("hf:")):
            raise DataError("no such file or folder; check the path", path=path)
        return _plan_rows(_fetched(wanted), options, bad)
    if path.name.endswith(_SUFFIXES):
        return _plan_rows([_Rows(path=path, name=path.name)], options, bad)
    raise UserError(f"{path}: must be a folder, .jsonl, .jsonl.gz, .jsonl.zst or .parquet")


def _fetched(wanted: DataSet) -> list[_Rows]:
    """Fetch a data set and return its files, those of the path that is wanted."""
    folder = fetch(wanted)
    below = folder / wanted.path
    found = [below] if below.is_file() else sorted(below.rglob("*"))
    rows = [
        _Rows(path=path, name=path.relative_to(folder).as_posix())
        for path in found
        if path.name.endswith(_SUFFIXES) and path.is_file()
    ]
    if not rows:
        raise DataError(
            "holds no .parquet or JSON lines files", path=f"{wanted.repo_id}/{wanted.path}".strip("/")
        )
    return rows


def _rows_of(root: Path, found: Walked) -> list[_Rows] | None:
    """Return the files of a folder of rows, None if it is another folder."""
    rows: list[_Rows] = []
    for entry in found.entries:
        name = os.fsdecode(entry.name)
        base = Path(name).name
        if base.endswith(_SUFFIXES) and not base.startswith((".", "_")):
            rows.append(_Rows(path=root / name, name=name))
        elif not _is_beside(Path(name)):
            return None
    return rows if rows and not found.checkouts else None


def _is_beside(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or any(fnmatch.fnmatchcase(path.name.lower(), pattern) for pattern in _BESIDE)


def _plan_rows(rows: list[_Rows], options: _Options, bad: dict[str, str]) -> list[Shard]:
    def plan(one: _Rows) -> list[Shard] | DataError:
        try:
            return _rows(one, options)
        except DataError as error:
            return error

    shards: list[Shard] = []
    # Unpacking gzip to see that it is whole is what takes time here, and leaves other threads free.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for one, planned in zip(rows, pool.map(plan, rows), strict=True):
            if isinstance(planned, DataError):
                bad[told(str(one.path))] = told(str(planned).removeprefix(f"{one.path}: "))
            else:
                shards += planned
    return shards


def _rows(one: _Rows, options: _Options) -> list[Shard]:
    if not _is_utf8(str(one.path)):
        raise DataError("its name is not UTF-8; rename it", path=one.path)
    if not one.path.is_file():
        raise DataError("no file; a pipe, a socket or a link to nothing", path=one.path)
    cut = plan_jsonl
    if one.path.suffix == ".parquet":
        # Loaded only where it is used: it takes longer to load than a small folder to read.
        from corpus.readers.parquet import plan_parquet as cut
    return cut(one.path, name=one.name, prefix=options.prefix, shard_bytes=options.shard_bytes)


def _plan_folder(path: Path, found: Walked, options: _Options, bad: dict[str, str]) -> list[Shard]:
    bad.update(found.bad)
    shards = plan_files(
        path,
        found.entries,
        shard_bytes=options.shard_bytes,
        prefix=options.prefix,
        license=find_license(path),
    )

    def plan(name: bytes) -> tuple[list[Shard], dict[str, str]]:
        inner: dict[str, str] = {}
        return _plan_checkout(path / os.fsdecode(name), os.fsdecode(name) + "/", options, inner), inner

    # Git does the work, in processes of its own.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for planned, inner in pool.map(plan, found.checkouts):
            shards += planned
            bad.update(inner)
    return shards


def _plan_checkout(path: Path, below: str, options: _Options, bad: dict[str, str]) -> list[Shard]:
    """Plan a checkout that lies at ``below`` in its source."""
    if not _is_utf8(str(path)):
        bad[told(str(path))] = "its name is not UTF-8; rename it"
        return []
    try:
        found = read_checkout(path)
    except NoCheckoutError as error:
        logger.warning("%s is read as a plain folder: git says %s", path, error)
        walked = walk(path, skip=options.skip, checkouts=False)
        return _plan_folder(path, walked, replace(options, prefix=options.prefix + below), bad)
    skip = None if options.skip is None else os.fsencode(options.skip.resolve()) + b"/"
    top = os.fsencode(path.resolve()) + b"/"
    return plan_files(
        path,
        [entry for entry in found.entries if skip is None or not (top + entry.name).startswith(skip)],
        shard_bytes=options.shard_bytes,
        prefix=options.prefix + below,
        repo=found.repo,
        stars=options.stars.get(found.repo.lower()),
        license=find_license(path),
        time_of=found.times.get,
    )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
