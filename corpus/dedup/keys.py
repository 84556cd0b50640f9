"""What the global steps know of documents: Parquet files of keys, while the contents stay in their shards.

Documents are numbered 0, 1, 2 ... over a whole corpus. Two kinds of files hold their keys, any number of each
and in any order:

keys
    ``number``, the SHA-256 of the content as four big-endian integers ``h0`` to ``h3`` (twice as quick to
    compare as 32 bytes), ``stars``, ``commit_time``, ``id``. Every document has a row.
bands
    ``number`` and the band keys ``b0``, ``b1`` ... of one profile. Documents without shingles have no row.

Of documents that are the same, the one with most stars stays, among those the one of the latest commit, among
those the lowest id (in the order of code points); a value that is not known counts as lower than any other.
The paper (arXiv:2411.04905, section 2.1) names stars and commit time; the id makes the outcome the same on
every run.

Queries run in DuckDB with a memory limit and a folder to spill to, so that they are bounded by disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.database import first_line, open_database
from opencoder.errors import DataError
from opencoder.files import atomic, reading_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = int(np.iinfo(np.int64).min)
"""Stands for a missing number of stars or commit time, below every real one."""

HASHES = ("h0", "h1", "h2", "h3")

KEYS = pa.schema(
    [
        ("number", pa.int64()),
        *((name, pa.int64()) for name in HASHES),
        ("stars", pa.int64()),
        ("commit_time", pa.int64()),
        ("id", pa.string()),
    ]
)

_BATCH = 1 << 15


def write_keys(
    path: Path,
    *,
    first: int,
    digests: bytes | bytearray,
    stars: Sequence[int | None],
    times: Sequence[int | None],
    ids: Sequence[str],
) -> None:
    """Write the keys of documents that are numbered from ``first`` on.

    Args:
        path: The file.
        first: Number of the first document.
        digests: SHA-256 of each content, 32 bytes each, one after the other.
        stars: Stars of its repository.
        times: Its commit time, in any one unit.
        ids: Its id, unique within the corpus.

    Raises:
        UserError: The place cannot be written.
        DependencyError: The disk is full.
    """
    hashes = np.frombuffer(digests, ">i8").reshape(len(ids), len(HASHES)).astype(np.int64)
    columns = [
        pa.array(np.arange(first, first + len(ids))),
        *(pa.array(hashes[:, i]) for i in range(len(HASHES))),
        *(pa.array(values, pa.int64()) for values in (stars, times)),
        pa.array(ids, pa.string()),
    ]
    # Hashes neither repeat nor compress; ids are read in half the time when their lengths come first.
    write_table(
        path,
        pa.Table.from_arrays(columns, schema=KEYS),
        compression={name: "lz4" if name == "id" else "none" for name in KEYS.names},
        use_dictionary=["stars", "commit_time"],
        column_encoding={"id": "DELTA_LENGTH_BYTE_ARRAY"},
    )


def write_bands(path: Path, numbers: NDArray[np.int64], keys: NDArray[np.uint64]) -> None:
    """Write the band keys (one row a document) of the documents of these numbers.

    Raises:
        UserError: The place cannot be written.
        DependencyError: The disk is full.
    """
    columns = {f"b{band}": keys[:, band] for band in range(keys.shape[1])}
    # Hashes repeat too seldom for a dictionary, and do not compress.
    write_table(path, pa.table({"number": numbers, **columns}), compression="none", use_dictionary=False)


def write_table(path: Path, table: Any, **options: Any) -> None:
    """Write a table as Parquet under its name at once."""
    with atomic(path) as file:
        pq.write_table(table, file, **{"compression": "zstd", **options})


def write_numbers(path: Path, columns: dict[str, NDArray[np.int64]]) -> None:
    """Write columns of integers; packed by their differences they take less time and room than compressed."""
    packed = dict.fromkeys(columns, "DELTA_BINARY_PACKED")
    write_table(path, pa.table(columns), compression="none", use_dictionary=False, column_encoding=packed)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with reading_from(path), pq.ParquetFile(path) as file:
            yield file
    except MemoryError:
        raise  # an ArrowException too, but no fault of the file
    except (pa.ArrowException, KeyError) as error:
        raise DataError(f"no keys that can be read: {error}; make them anew", path=path) from error


def read_column(files: Sequence[Path], name: str) -> NDArray[Any]:
    """Return a column without gaps over all files.

    Raises:
        DataError: A file cannot be read.
    """
    parts = []
    for path in files:
        with _opened(path) as file:
            parts.append(file.read(columns=[name]).column(0).to_numpy())
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def column_names(path: Path) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        DataError: It cannot be read.
    """
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def count_rows(files: Sequence[Path]) -> int:
    """Return the rows of all files.

    Raises:
        DataError: A file cannot be read.
    """
    total = 0
    for path in files:
        with _opened(path) as file:
            total += file.metadata.num_rows
    return total


class Database:
    """Queries over key files within a memory limit.

    Args:
        files: Key files.
        connection: An open database.
    """

    def __init__(self, files: Sequence[Path], connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._params = [[str(path) for path in files]]

    def stream(self, query: str) -> Iterator[Any]:
        """Yield the result of a query, in which ``$1`` is the list of files, as batches of Arrow."""
        yield from self.connection.sql(query, params=self._params).to_arrow_reader(_BATCH)

    def column(self, query: str, kind: type[np.generic]) -> NDArray[Any]:
        """Return the one column of a query's result."""
        parts = [batch.column(0).to_numpy() for batch in self.stream(query)]
        return np.concatenate(parts) if parts else np.empty(0, kind)


@contextmanager
def database(files: Sequence[Path], *, folder: Path, memory_mb: int, threads: int) -> Iterator[Database]:
    """Open a database over key files.

    Args:
        files: Key files.
        folder: Where what does not fit into memory goes, in a folder ``spill``.
        memory_mb: Most memory of the database, in MiB.
        threads: Its threads.

    Raises:
        UserError: The memory limit is too low for the query that was tried.
        DependencyError: The disk is full.
        DataError: A key file is broken.
    """
    try:
        with open_database(folder / "spill", memory_mb=memory_mb, threads=threads) as connection:
            yield Database(files, connection)
    except duckdb.InvalidInputException as error:
        raise DataError(f"keys cannot be read: {first_line(error)}; make them anew") from error


def check_ids(files: Sequence[Path], *, folder: Path, memory_mb: int = 1024, threads: int = 1) -> None:
    """Make sure that no two documents have one id.

    Args:
        files: Key files.
        folder: Where what does not fit into memory goes.
        memory_mb: Most memory of the database, in MiB, beside 16 bytes a document.
        threads: Its threads.

    Raises:
        DataError: Two have; names the lowest such id.
        UserError: The memory limit is too low.
        DependencyError: The disk is full.
    """
    if not files:
        return
    with database(files, folder=folder, memory_mb=memory_mb, threads=threads) as keys:
        hashes = keys.column("SELECT hash(id) FROM read_parquet($1)", np.uint64)
        hashes.sort()
        twice = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if not twice.size:
            return
        # Equal hashes are mostly, but not surely, equal ids.
        keys.connection.register("twice", pa.table({"hash": twice}))
        found = (
            "SELECT id FROM read_parquet($1) WHERE hash(id) IN (SELECT hash FROM twice) "
            "GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1"
        )
        names = [name for batch in keys.stream(found) for name in batch.column(0).to_pylist()]
    if names:
        raise DataError(f"a second document with id {names[0]!r}; give each an id of its own")


def rank_documents(
    files: Sequence[Path],
    *,
    among: NDArray[np.int64] | None = None,
    folder: Path,
    memory_mb: int = 1024,
    threads: int = 1,
) -> NDArray[np.int64]:
    """Return the numbers of documents, the best first: the one that stays before those that go.

    Args:
        files: Key files.
        among: Numbers of the documents to put in order; all if not given.
        folder: Where what does not fit into memory goes.
        memory_mb: Most memory of the database, in MiB, beside 8 bytes a document of the result.
        threads: Its threads.

    Raises:
        UserError: The memory limit is too low.
        DependencyError: The disk is full.
    """
    if not files or (among is not None and not among.size):
        return np.empty(0, np.int64)
    with database(files, folder=folder, memory_mb=memory_mb, threads=threads) as keys:
        chosen = ""
        if among is not None:
            keys.connection.register("among", pa.table({"number": among}))
            chosen = "SEMI JOIN among USING (number) "
        return keys.column(
            f"SELECT number FROM read_parquet($1) {chosen}"  # noqa: S608
            "ORDER BY stars DESC NULLS LAST, commit_time DESC NULLS LAST, id",
            np.int64,
        )
