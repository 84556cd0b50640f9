"""Rows of a run, a file, or a folder of Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from opencoder.errors import DataError
from opencoder.files import reading_from
from opencoder.store import packing, read_numbered
from synth.record import Row
from synth.shapes import to_row

_PACKINGS = ("rows.jsonl", "rows.jsonl.zst", "rows.jsonl.gz")
_BATCH_ROWS = 256


def row_files(path: Path) -> list[Path]:
    """Return the files of a run folder, of a folder of Parquet (also below ``data/``), or the file itself.

    Raises:
        DataError: There is none.
        UserError: It is a file of another kind.
    """
    if path.is_dir():
        runs = [path / name for name in _PACKINGS if (path / name).is_file()]
        found = runs[:1] or sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))
        if not found:
            raise DataError(
                "no rows.jsonl and no Parquet in this folder; give the folder of a run", path=path
            )
        return found
    if not path.exists():
        raise DataError("no such file or folder; check the path", path=path)
    if path.suffix != ".parquet":
        packing(path)
    return [path]


def read_all(path: Path) -> Iterator[Row]:
    """Yield the rows of a run folder or file (see :func:`row_files`), of any shape of :mod:`synth.shapes`.

    Raises:
        DataError: A file cannot be read, or a row has a field of a wrong type; with ``file:line`` (of
            Parquet, the number of the row).
        UserError: It is a file of another kind.
    """
    for file in row_files(path):
        rows = _parquet(file) if file.suffix == ".parquet" else read_numbered(file, dict[str, Any])
        for line, data in rows:
            try:
                yield to_row(data)
            except (msgspec.ValidationError, ValueError) as error:
                raise DataError(f"wrong row: {error}", path=file, line=line) from error


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from synth.export.columns import from_values

    number = 0
    with reading_from(path):
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
                    for values in batch.to_pylist():
                        number += 1
                        yield number, from_values(values)
        except pa.ArrowException as error:
            said = " ".join(str(error).split())
            raise DataError(f"not Parquet that can be read: {said}; fetch it again", path=path) from error
