"""One shard as documents."""

from __future__ import annotations

from collections.abc import Iterator

from corpus.document import Document, Unread
from corpus.readers.folder import read_files
from corpus.readers.jsonl import read_jsonl
from corpus.readers.notebook import Notebooks, converted
from corpus.readers.shard import MAX_DOCUMENT_BYTES, Shard

_READERS = {"files": read_files, "jsonl": read_jsonl}


def read_shard(
    shard: Shard, *, max_bytes: int = MAX_DOCUMENT_BYTES, notebooks: Notebooks = "script"
) -> Iterator[Document | Unread]:
    """Yield what a shard holds, in its order, in memory that does not grow with the shard.

    Reasons of what is unread: ``size`` (over ``max_bytes``, or a line of JSON over eight times that), ``row``
    (broken JSON, a wrong type, no content), ``link``, ``special`` (a pipe, socket or device), ``unreadable``
    (gone, or refused since it was planned) and ``notebook``.

    Args:
        shard: The piece.
        max_bytes: Most bytes of a document.
        notebooks: What becomes of Jupyter notebooks: see :mod:`corpus.readers.notebook`.

    Raises:
        DataError: A file of rows is gone, cut off or damaged.
    """
    for found in read_unconverted(shard, max_bytes):
        if isinstance(found, Unread):
            yield found
        elif len(found.content) > max_bytes:
            yield Unread(
                id=found.id,
                reason="size",
                detail=f"{found.file}:{found.line}: {len(found.content)} bytes, of at most {max_bytes}",
                num_bytes=len(found.content),
                path=found.path,
                repo=found.repo,
            )
        elif found.path is not None and found.path.endswith(".ipynb"):
            yield from converted(found, notebooks)
        else:
            yield found


def read_unconverted(shard: Shard, max_bytes: int) -> Iterator[Document | Unread]:
    """Yield what a shard holds; notebooks, and contents of JSON lines over ``max_bytes``, as they are.

    Raises:
        DataError: A file of rows is gone, cut off or damaged.
    """
    if shard.kind == "parquet":
        # Loaded only where it is used: it takes longer to load than a small folder to read.
        from corpus.readers.parquet import read_parquet

        return read_parquet(shard, max_bytes)
    return _READERS[shard.kind](shard, max_bytes)
