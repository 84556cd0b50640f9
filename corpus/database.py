"""The database of all that looks at the whole corpus: bounded in memory, spilling to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from opencoder.errors import DependencyError, UserError


@contextmanager
def open_database(folder: Path, *, memory_mb: int, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database.

    Args:
        folder: Where what does not fit into memory goes.
        memory_mb: Most memory in MiB.
        threads: Its threads.

    Raises:
        UserError: The memory limit is too low for the work in the block.
        DependencyError: The disk is full.
    """
    config: dict[str, Any] = {
        "memory_limit": f"{memory_mb}MiB",
        "temp_directory": str(folder),
        "threads": threads,
        # Order comes from ORDER BY; keeping that of insertion costs memory.
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(":memory:", config=config) as database:
            # It would be drawn on standard output, amid what a command prints there.
            database.execute("SET enable_progress_bar = false")
            yield database
    except duckdb.OutOfMemoryException as error:
        raise UserError(
            f"{memory_mb} MiB are too little for the keys of all documents; raise --memory (--memory-mb)"
        ) from error
    except duckdb.IOException as error:
        raise DependencyError(
            f"keys cannot be written to disk: {first_line(error)}",
            repair=f"df -h {folder}  # free some space",
        ) from error


def first_line(error: Exception) -> str:
    """Return what an error says, without the advice that follows."""
    return str(error).partition("\n")[0]


def quoted(paths: list[Path]) -> str:
    """Return paths as a list of SQL texts."""
    return "[" + ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths) + "]"
