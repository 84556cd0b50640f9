"""Inputs cut into shards. The same input gives the same shards, whatever machine it lies on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from corpus.readers.folder import Found, identity, printable, walk
from corpus.readers.pieces import Piece, cut_rows
from corpus.readers.shard import DEFAULT_SHARD_BYTES, InputPlan, Item, Shard
from corpus.readers.sources import Source, find_sources
from opencoder.errors import DataError

_MOST_ITEMS = 1 << 14
"""Files of a shard: many small ones make a long list."""


def plan_inputs(
    sources: Sequence[str],
    *,
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    stars: Path | None = None,
    skip_bad: bool = False,
    skip: Path | None = None,
) -> InputPlan:
    """Find all files of the inputs, check them, and cut them into shards.

    Args:
        sources: What ``corpus.readers.sources`` knows.
        shard_bytes: Size from which on a shard is closed.
        stars: Side table of the stars of repositories (see ``corpus.readers.stars``).
        skip_bad: Note what cannot be read instead of raising.
        skip: A folder to pass over, that of the result.

    Raises:
        DataError: There is no such input, or some of its files cannot be read; names the first and the count.
        DependencyError: Something that an input needs is not installed.
        UserError: A source is of no known kind.
    """
    plan = _Plan(shard_bytes, identity(skip))
    for source in find_sources(sources):
        plan.add(source)
    if plan.bad and not skip_bad:
        (place, reason), more = next(iter(plan.bad.items())), len(plan.bad) - 1
        others = f" ({more} more input{'s' if more > 1 else ''} cannot be read either)" if more else ""
        raise DataError(f"{reason}{others}; mend the input, or leave it out with --skip-bad", path=place)
    return InputPlan(shards=tuple(plan.shards), bad=plan.bad)


class _Plan:
    def __init__(self, shard_bytes: int, skip: tuple[int, int] | None) -> None:
        self._shard_bytes, self._skip = shard_bytes, skip
        self.shards: list[Shard] = []
        self.bad: dict[str, str] = {}

    def add(self, source: Source) -> None:
        if source.files is None:
            self._folder(source)
        else:
            self._rows(source, source.files)

    def _folder(self, source: Source) -> None:
        frame = Shard(kind="files", root=str(source.root), prefix=source.prefix, num_bytes=0, digest="")
        self._items(frame, walk(source.root, self.bad.__setitem__, skip=self._skip, git=False))

    def _items(self, frame: Shard, files: Iterator[Found], times: dict[bytes, int] | None = None) -> None:
        items: list[Item] = []
        facts: list[tuple[bytes, int, int]] = []
        size = 0
        for found in files:
            items.append(Item(name=found.name, commit_time=(times or {}).get(found.name)))
            facts.append((found.name, found.size, found.mtime_ns))
            size += found.size
            if size >= self._shard_bytes or len(items) == _MOST_ITEMS:
                self._close(frame, items, facts, size)
                items, facts, size = [], [], 0
        if items:
            self._close(frame, items, facts, size)

    def _close(self, frame: Shard, items: list[Item], facts: list[tuple[bytes, int, int]], size: int) -> None:
        digest = _digest(facts)
        self.shards.append(msgspec.structs.replace(frame, items=tuple(items), num_bytes=size, digest=digest))

    def _rows(self, source: Source, files: Sequence[tuple[str, Path]]) -> None:
        def cut(path: Path) -> list[Piece] | DataError:
            try:
                return cut_rows(path, self._shard_bytes)
            except DataError as error:
                return error

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for (label, path), pieces in zip(files, pool.map(cut, [path for _, path in files]), strict=True):
                if isinstance(pieces, DataError):
                    self.bad[printable(str(path))] = str(pieces).removeprefix(f"{path}: ")
                    continue
                status = path.stat()
                for piece in pieces:
                    self.shards.append(
                        Shard(
                            kind="parquet" if path.suffix == ".parquet" else "jsonl",
                            root=str(path),
                            first=piece.first,
                            end=piece.end,
                            before=piece.before,
                            label=label,
                            prefix=source.prefix,
                            num_bytes=piece.num_bytes,
                            digest=_digest((piece.first, piece.end, status.st_size, status.st_mtime_ns)),
                        )
                    )


def _digest(facts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()
