"""The Parquet files of deduplication. The same rows give the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from opencoder.files import atomic

if TYPE_CHECKING:
    from corpus.dedup.catalog import Catalog
    from corpus.dedup.spool import Spool

_BATCH_BYTES = 64 << 20
_BATCH_ROWS = 16384

KEPT = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("repo", pa.string()),
        ("stars", pa.int64()),
        ("commit_time", pa.timestamp("us", tz="UTC")),
        ("sha256", pa.string()),
        # Text, because trainers want text. Bytes that are no UTF-8 become U+FFFD; `sha256` is of the bytes.
        ("content", pa.large_string()),
    ]
)

DROPPED = pa.schema(
    [("id", pa.string()), ("reason", pa.string()), ("kept_id", pa.string()), ("jaccard", pa.float64())]
)


def write_kept(
    path: Path, catalog: Catalog, spool: Spool, numbers: Sequence[int], content: Callable[[int], bytes]
) -> None:
    """Write the documents of these numbers, with what ``content`` returns for each.

    Raises:
        UserError: The place cannot be written.
        DependencyError: The disk is full.
    """
    with atomic(path) as file, pq.ParquetWriter(file, KEPT, compression="zstd") as writer:
        for part in _parts(catalog, spool, numbers):
            contents = [content(i) for i in part]
            columns: list[list[Any]] = [
                [catalog.ids[i] for i in part],
                [catalog.paths[i] for i in part],
                [catalog.repos[i] for i in part],
                [catalog.stars[i] for i in part],
                [catalog.times[i] for i in part],
                [hashlib.sha256(text).hexdigest() for text in contents],
                [text.decode("utf-8", "replace") for text in contents],
            ]
            arrays = [pa.array(values, kind.type) for values, kind in zip(columns, KEPT, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=KEPT))


def write_dropped(
    path: Path,
    *,
    ids: Sequence[str],
    reasons: Sequence[str],
    kept_ids: Sequence[str],
    jaccards: Sequence[float],
) -> None:
    """Write which documents were dropped, why, and which one stayed in place of each.

    Raises:
        UserError: The place cannot be written.
        DependencyError: The disk is full.
    """
    columns = [list(ids), list(reasons), list(kept_ids), list(jaccards)]
    arrays = [pa.array(values, kind.type) for values, kind in zip(columns, DROPPED, strict=True)]
    with atomic(path) as file, pq.ParquetWriter(file, DROPPED, compression="zstd") as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=DROPPED))


def _parts(catalog: Catalog, spool: Spool, numbers: Sequence[int]) -> Iterator[list[int]]:
    """Cut the numbers so that the contents of a part stay within memory."""
    part: list[int] = []
    size = 0
    for number in numbers:
        part.append(number)
        size += spool.size(catalog.places[number])
        if size >= _BATCH_BYTES or len(part) >= _BATCH_ROWS:
            yield part
            part, size = [], 0
    if part:
        yield part
