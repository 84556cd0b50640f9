"""Exact copies by SHA-256: which file of each group stays (the rule is that of ``corpus.dedup.keys``).

DuckDB sorts the keys by the first eighth of the hash, spilling what does not fit into its memory; groups are
then neighbours and are settled batch by batch. Ids are looked at only where stars and commit time leave it
open: reading and comparing those of all documents would cost more than all else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from corpus.dedup.keys import (
    HASHES,
    UNKNOWN,
    Database,
    count_rows,
    database,
    write_numbers,
)
from opencoder.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS = (*HASHES, "stars", "commit_time", "number")
_STARS, _TIME, _NUMBER = 4, 5, 6

Table = list["NDArray[np.int64]"]
"""Columns in the order of ``_COLUMNS``."""


def find_copies_in(
    files: Sequence[Path], out: Path, *, folder: Path, memory_mb: int = 1024, threads: int = 1
) -> NDArray[np.int64]:
    """Find exact copies; write which were dropped, and return for each document the one that stays for it.

    Args:
        files: Key files (see ``corpus.dedup.keys``) that hold each number from 0 on once.
        out: Parquet of the dropped documents, ``number`` and ``kept``, in the order of numbers.
        folder: Where what does not fit into memory goes; about 70 bytes a document.
        memory_mb: Most memory of the database, in MiB, beside 9 bytes a document, and 16 for each that only
            its id tells from a better copy.
        threads: Threads of the database.

    Raises:
        DataError: The numbers are not those from 0 on.
        UserError: The memory limit is too low.
        DependencyError: The disk is full.
    """
    num = count_rows(files)
    kept = np.arange(num, dtype=np.int64)
    if num:
        with database(files, folder=folder, memory_mb=memory_mb, threads=threads) as keys:
            _settle(keys, kept)
    write_kept_of(out, kept)
    return kept


def write_kept_of(path: Path, kept: NDArray[np.int64]) -> None:
    """Write, of documents for which another one stays, ``number`` and ``kept``."""
    dropped = np.flatnonzero(kept != np.arange(kept.size))
    write_numbers(path, {"number": dropped, "kept": kept[dropped]})


def _settle(keys: Database, kept: NDArray[np.int64]) -> None:
    ties: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    seen = np.zeros(kept.size, np.bool_)
    for unordered in _whole_groups(keys):
        order, opens = _groups(unordered)
        rows = [values[order] for values in unordered]
        best, tied = _best_rows(rows, opens)
        numbers = rows[_NUMBER]
        if numbers.min() < 0 or numbers.max() >= kept.size:
            break
        seen[numbers] = True
        group = np.cumsum(opens) - 1
        kept[numbers] = numbers[best][group]
        if tied.size:
            ties.append((numbers[best][group[tied]], numbers[tied]))
    if not seen.all():
        raise DataError(f"{kept.size} keys do not hold each number below {kept.size} once; make them anew")
    if ties:
        firsts, numbers = (np.concatenate(parts) for parts in zip(*ties, strict=True))
        _by_id(keys, kept, firsts, numbers)


def _whole_groups(keys: Database) -> Iterator[Table]:
    """Yield rows so that all of one first hash come together."""
    unknown = f"'{UNKNOWN}'::BIGINT"
    query = (
        f"SELECT {', '.join(HASHES)}, coalesce(stars, {unknown}), coalesce(commit_time, {unknown}), number "  # noqa: S608
        "FROM read_parquet($1) ORDER BY h0"
    )
    held: list[Table] = []
    for batch in keys.stream(query):
        rows = [column.to_numpy() for column in batch.columns]
        first = rows[0]
        # The last hash may go on in the next batch.
        cut = int(np.searchsorted(first, first[-1]))
        if cut:
            held.append([values[:cut] for values in rows])
            yield _joined(held)
            held = []
        held.append([values[cut:] for values in rows])
    if held:
        yield _joined(held)


def _joined(parts: list[Table]) -> Table:
    return [np.concatenate(values) for values in zip(*parts, strict=True)]


def _groups(rows: Table) -> tuple[Any, NDArray[np.bool_]]:
    """Return an order in which copies are neighbours, and where a group opens."""
    same_first = rows[0][1:] == rows[0][:-1]
    opens = np.ones(rows[0].size, np.bool_)
    opens[1:] = ~same_first
    mixed = np.zeros(same_first.size, np.bool_)
    for values in rows[1:4]:
        mixed |= values[1:] != values[:-1]
    if not (same_first & mixed).any():
        return slice(None), opens
    # Hashes that are alike in 64 of their 256 bits: never by chance.
    order = np.lexsort(rows[3::-1])
    opens[1:] = False
    for values in rows[:4]:
        ordered = values[order]
        opens[1:] |= ordered[1:] != ordered[:-1]
    return order, opens


def _best_rows(rows: Table, opens: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a best row of each group by stars and time, and the rows of groups that have several such."""
    starts = np.flatnonzero(opens)
    sizes = np.diff(starts, append=opens.size)
    top = np.ones(opens.size, np.bool_)
    for column in (_STARS, _TIME):
        values = np.where(top, rows[column], UNKNOWN)
        top &= values == np.repeat(np.maximum.reduceat(values, starts), sizes)
    tops = np.flatnonzero(top)
    num = np.add.reduceat(top, starts, dtype=np.int64)
    ends = np.cumsum(num)
    return tops[ends - num], np.flatnonzero(top & np.repeat(num > 1, sizes))


def _by_id(
    keys: Database, kept: NDArray[np.int64], firsts: NDArray[np.int64], numbers: NDArray[np.int64]
) -> None:
    """Put the lowest id of equals in place of the one that was come upon first."""
    keys.connection.register("ties", pa.table({"first": firsts, "number": numbers}))
    lowest = np.arange(kept.size, dtype=np.int64)
    query = "SELECT first, arg_min(number, id) FROM read_parquet($1) JOIN ties USING (number) GROUP BY first"
    for batch in keys.stream(query):
        lowest[batch.column(0).to_numpy()] = batch.column(1).to_numpy()
    kept[:] = lowest[kept]
