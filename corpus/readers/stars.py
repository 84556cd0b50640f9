"""Stars of repositories from a table: CSV, JSON lines or Parquet with the columns ``repo`` and ``stars``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from opencoder.store import read_numbered


def read_stars(path: Path) -> dict[str, int]:
    """Return stars by the name of the repository in lower case; of several rows for one, the most.

    Raises:
        DataError: The file cannot be read, a column is missing or a value is no count.
        UserError: The suffix is not known.
    """
    stars: dict[str, int] = {}
    for line, row in _rows(path):
        repo, value = row.get("repo"), row.get("stars")
        if value is None or value == "":
            continue
        try:
            count = int(value)
            if not isinstance(repo, str) or count != float(value) or not 0 <= count < 2**63:
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            raise DataError(
                f"needs `repo` and a whole number of `stars`, not {repo!r} and {value!r}",
                path=path,
                line=line,
            ) from None
        name = repo.lower()
        stars[name] = max(count, stars.get(name, 0))
    return stars


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix == ".csv":
        yield from _csv(path)
    elif path.suffix == ".parquet":
        yield from _parquet(path)
    elif path.name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")):
        for line, row in read_numbered(path, dict[str, Any]):
            _check(row, path, line)
            yield line, row
    else:
        raise UserError(f"{path}: a table of stars must be .csv, .jsonl, .jsonl.gz, .jsonl.zst or .parquet")


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with reading_from(path), path.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = csv.DictReader(file)
            _check(dict.fromkeys(rows.fieldnames or ()), path, 1)
            for row in rows:
                yield rows.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"not CSV in UTF-8: {error}", path=path) from error


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with reading_from(path), pq.ParquetFile(path) as file:
            _check(dict.fromkeys(file.schema_arrow.names), path, 1)
            line = 0
            for batch in file.iter_batches(columns=["repo", "stars"]):
                for row in batch.to_pylist():
                    line += 1
                    yield line, row
    except pa.ArrowException as error:
        raise DataError(f"not Parquet that can be read: {error}; fetch it again", path=path) from error


def _check(row: dict[str, Any], path: Path, line: int) -> None:
    for name in ("repo", "stars"):
        if name not in row:
            raise DataError(f"no column `{name}`; it needs `repo` and `stars`", path=path, line=line)
