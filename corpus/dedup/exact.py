"""Exact copies by SHA-256: which file of each group stays.

The copy with most stars stays, among those the one of the latest commit, among those the lowest id; a value
that is not known counts as lower than any other. Upstream (arXiv:2411.04905) names stars and commit time;
the id makes the outcome the same on every run.

The grouping runs in DuckDB with a memory limit and a folder to spill to, so that it is bounded by disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from opencoder.errors import DependencyError, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = np.iinfo(np.int64).min
"""Stands for a missing number of stars or commit time, below every real one."""

DIGEST_BYTES = 32
_HASH = ("h0", "h1", "h2", "h3")
_BATCH = 1 << 20


def known(values: Sequence[int | None]) -> NDArray[np.int64]:
    """Return the values as integers, with ``UNKNOWN`` for None."""
    return np.fromiter((UNKNOWN if value is None else value for value in values), np.int64, len(values))


def find_copies(
    digests: bytes | bytearray,
    stars: NDArray[np.int64],
    times: NDArray[np.int64],
    *,
    folder: Path,
    memory_mb: int = 1024,
    threads: int = 1,
) -> NDArray[np.int64]:
    """Return for each file the number of the file that stays for it: itself, or the best of its copies.

    Files are numbered in the order of their ids.

    Args:
        digests: SHA-256 of each file, 32 bytes each, one after the other.
        stars: Stars of its repository, ``UNKNOWN`` where not known.
        times: Its commit time in any one unit, ``UNKNOWN`` where not known.
        folder: Where the table lives and what does not fit into memory goes; about 130 bytes a file.
        memory_mb: Most memory of the database in MiB.
        threads: Threads of the database.

    Raises:
        UserError: The memory limit is too low for this number of files.
        DependencyError: The disk is full.
    """
    num = stars.size
    kept = np.arange(num, dtype=np.int64)
    if not num:
        return kept
    config: dict[str, Any] = {
        "memory_limit": f"{memory_mb}MiB",
        "temp_directory": str(folder / "spill"),
        "threads": threads,
        # Order comes from ORDER BY; keeping that of insertion costs memory.
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(str(folder / "copies.duckdb"), config=config) as database:
            _load(database, np.frombuffer(digests, ">i8").reshape(num, len(_HASH)), stars, times)
            found = _query(database)
    except duckdb.OutOfMemoryException as error:
        raise UserError(f"{memory_mb} MiB are too little to group {num} files; raise --memory-mb") from error
    except duckdb.IOException as error:
        raise DependencyError(
            f"the table of copies cannot be written: {error}", repair=f"df -h {folder}  # free some space"
        ) from error
    kept[found["number"]] = found["kept"]
    return kept


def _load(
    database: duckdb.DuckDBPyConnection,
    hashes: NDArray[Any],
    stars: NDArray[np.int64],
    times: NDArray[np.int64],
) -> None:
    import pyarrow as pa

    columns = ", ".join(f"{name} BIGINT" for name in ("number", *_HASH, "stars", "time"))
    database.execute(f"CREATE TABLE files ({columns})")
    for first in range(0, stars.size, _BATCH):
        part = slice(first, min(first + _BATCH, stars.size))
        parts = {name: hashes[part, i].astype(np.int64) for i, name in enumerate(_HASH)}
        batch = pa.table(
            {"number": np.arange(part.start, part.stop), **parts, "stars": stars[part], "time": times[part]}
        )
        database.register("batch", batch)
        database.execute("INSERT INTO files SELECT * FROM batch")
        database.unregister("batch")


def _query(database: duckdb.DuckDBPyConnection) -> dict[str, NDArray[np.int64]]:
    hashes = ", ".join(_HASH)
    # The key is (stars, time, -number), so of equals the lowest number, which is the lowest id, wins.
    database.execute(
        f"CREATE TABLE kept AS SELECT {hashes}, arg_max(number, (stars, time, -number)) AS kept "  # noqa: S608
        f"FROM files GROUP BY {hashes} HAVING count(*) > 1"
    )
    database.execute(
        f"SELECT number, kept FROM files JOIN kept USING ({hashes}) WHERE number <> kept"  # noqa: S608
    )
    result: dict[str, NDArray[np.int64]] = database.fetchnumpy()
    return result
