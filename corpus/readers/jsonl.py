"""JSON lines: cut at the ends of lines, read line by line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from corpus.document import Document, Unread
from corpus.readers.layouts import check_columns, document_of, layout_of
from corpus.readers.packed import check_whole, chunks, lines
from corpus.readers.shard import Shard, digest_of
from opencoder.errors import DataError
from opencoder.store import packing

_ESCAPED = 8
"""Most bytes of a line per byte of a document: ``\\\\u0000`` takes six, and the other columns some."""
_PROBE_BYTES = 1 << 20
_PROBE_LINES = 100
_DECODER = msgspec.json.Decoder(dict[str, Any])


def plan_jsonl(path: Path, *, name: str, prefix: str, shard_bytes: int) -> list[Shard]:
    """Cut a file: a plain one about every ``shard_bytes``, a packed one not at all.

    Raises:
        DataError: It is damaged, cut off, or none of its first rows holds contents.
    """
    check_whole(path)
    _check_rows(path)
    found = path.stat()
    # A file of one shard need not be searched for the ends of lines.
    cuts = [(0, found.st_size, 1)]
    if packing(path) == "plain" and found.st_size > shard_bytes:
        cuts = list(_cuts(path, shard_bytes))
    return [
        Shard(
            kind="jsonl",
            root=str(path),
            name=name,
            first=first,
            end=end if packing(path) == "plain" else None,
            line=line,
            prefix=prefix,
            num_bytes=end - first,
            digest=digest_of(name, prefix, found.st_size, found.st_mtime_ns, first, end),
        )
        for first, end, line in cuts
        if end
    ]


def read_jsonl(shard: Shard, max_bytes: int) -> Iterator[Document | Unread]:
    """Yield the rows of a shard.

    Raises:
        DataError: The file cannot be read, or is damaged.
    """
    path = Path(shard.root)
    limit = _ESCAPED * max_bytes
    pieces = chunks(path, shard.first, shard.end)
    for line, text, size in lines(pieces, limit, line=shard.line):
        reason = "row"
        try:
            if text is None:
                reason = "size"
                raise DataError(f"a line of {size} bytes, of at most {limit}", path=path, line=line)
            values = decode(text, path, line)
            layout = layout_of(values)
            prefix = f"{shard.prefix}{shard.name}:" if layout.local_ids else shard.prefix
            yield document_of(values, layout, file=path, line=line, prefix=prefix)
        except DataError as error:
            yield Unread(
                id=f"{shard.prefix}{shard.name}//{line}", reason=reason, detail=str(error), num_bytes=size
            )


def decode(text: bytes, path: Path, line: int) -> dict[str, Any]:
    """Return the object that a line holds.

    Raises:
        DataError: It holds none.
    """
    try:
        return _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8 text; convert the file", path=path, line=line) from error
    except msgspec.ValidationError as error:
        raise DataError(f"wrong row: {_lower(error)}", path=path, line=line) from error
    except msgspec.DecodeError as error:
        raise DataError(f"broken JSON: {_lower(error)}", path=path, line=line) from error
    except RecursionError as error:
        raise DataError("broken JSON: nested too deeply", path=path, line=line) from error


def _check_rows(path: Path) -> None:
    wrong: ValueError | None = None
    for line, text, _ in islice(lines(_first_bytes(path), _PROBE_BYTES), _PROBE_LINES):
        try:
            if text is None:
                continue
            check_columns(decode(text, path, line))
        except DataError:
            # Told when it is read: one broken row is no reason to refuse a file.
            continue
        except ValueError as error:
            wrong = wrong or error
        else:
            return
    if wrong is not None:
        raise DataError(str(wrong), path=path)


def _first_bytes(path: Path) -> Iterator[bytes]:
    yield from islice(chunks(path), 1)


def _cuts(path: Path, shard_bytes: int) -> Iterator[tuple[int, int, int]]:
    """Yield ``(first byte, end, number of the first line)`` of each piece."""
    first = at = 0
    first_line = line = 1
    for piece in chunks(path):
        start = 0
        # The first end of a line at or after the wanted place.
        while (newline := piece.find(b"\n", max(start, first + shard_bytes - 1 - at))) >= 0:
            line += piece.count(b"\n", start, newline + 1)
            yield first, at + newline + 1, first_line
            first, first_line, start = at + newline + 1, line, newline + 1
        line += piece.count(b"\n", start)
        at += len(piece)
    if first < at:
        yield first, at, first_line


def _lower(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]
