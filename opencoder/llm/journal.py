"""Every answer that was paid for, on disk before it is used.

A journal is a folder of segments, ``00001.jsonl`` and so on, to which lines are added and in which none is
ever changed. Each line is one :class:`Entry` with a CRC-32 of what stands before it, so for every other tool
it is plain JSON lines. Answers and refusals settle a request; failures are kept for the record.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from opencoder.errors import DataError
from opencoder.files import make_folder, reading_from
from opencoder.llm.api import Response
from opencoder.lock import FolderLock
from opencoder.log import logger
from opencoder.place_index import PlaceIndex
from opencoder.store import JsonlAppender

SEGMENT_BYTES = 1 << 28
"""A segment that has reached this many bytes is left alone, and the next one is begun."""

SYNC_S = 0.5
"""A power cut loses the answers of this many seconds at most; ``kill -9`` loses none."""

Ending = Literal["answered", "refused", "failed"]
"""How an attempt ended: with an answer, with a no that is final, or with a fault of the provider."""

_NAME = re.compile(r"[0-9]{5}\.jsonl")
_SUM = b',"crc32":"'
_SUM_BYTES = len(_SUM) + len('00000000"}')
_OFFSET_BITS = 40
_ENCODER = msgspec.json.Encoder()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what became of it.

    Attributes:
        key: ``Request.key`` of the request.
        loose_key: ``Request.loose_key`` of it, if the answer holds for every larger ``max_tokens`` too.
        tag: The unit it belonged to, for a reader.
        status: How it ended.
        at: When, in Unix seconds.
        response: The answer, where there is one.
        error: Why there is none.
    """

    key: str
    loose_key: str = ""
    tag: str
    status: Ending
    at: float
    response: Response | None = None
    error: str = ""


_DECODER = msgspec.json.Decoder(Entry)


class Journal:
    """The journal in ``folder``, for one writer at a time.

    A torn last line is cut off on opening; a damaged one in between is left out with a warning, and its
    request is asked again.

    Args:
        folder: Made if need be.
        read_only: Nothing is written and no lock is taken.

    Raises:
        DataError: ``read_only`` and there is no journal.
        DependencyError: The disk is full.
        UserError: The place cannot be written, or another process writes there.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._lock: FolderLock | None = None
        self._writer: JsonlAppender | None = None
        if read_only:
            if not _segments(folder):
                raise DataError("no journal in it; give the folder of a run that kept one", path=folder)
        else:
            self._lock = FolderLock(make_folder(folder) / "lock")
        self._index = PlaceIndex()
        self._handles: dict[int, int] = {}
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def __contains__(self, key: str) -> bool:
        """Tell whether the request of this key is settled."""
        return self.get(key) is not None

    def get(self, key: str) -> Entry | None:
        """Return what settled the request of this key (or of this loose key): an answer or a refusal."""
        for place in self._index.places(key):
            entry = self._read(place)
            if entry is not None and key in (entry.key, entry.loose_key):
                return entry
        return None

    def add(self, entry: Entry) -> None:
        """Write an entry down; it outlives this process once the call has returned.

        Raises:
            DependencyError: The disk is full; what was written before stays whole.
        """
        writer = self._writer
        if writer is None or self._end >= SEGMENT_BYTES:
            writer = self._next_segment()
        body = _ENCODER.encode(entry)[:-1]
        line = body + _SUM + b'%08x"}' % zlib.crc32(body)
        writer.append(msgspec.Raw(line))
        self._learn(entry, self._number << _OFFSET_BITS | self._end)
        self._end += len(line) + 1

    def close(self) -> None:
        """Sync and close. Closing twice is harmless."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        paths = _segments(self.folder)
        self._number = len(paths)
        self._end = 0
        if self._lock is not None and paths:
            self._writer = JsonlAppender(paths[-1], sync_s=SYNC_S)
        for number, path in enumerate(paths, 1):
            self._scan(number, path)

    def _scan(self, number: int, path: Path) -> None:
        """Find the answers of one segment."""
        damaged: list[int] = []
        start = 0
        with reading_from(path), path.open("rb") as file:
            for count, line in enumerate(file, 1):
                entry = _decoded(line)
                if entry is None:
                    damaged.append(count)
                else:
                    self._learn(entry, number << _OFFSET_BITS | start)
                start += len(line)
        self._end = start
        if damaged:
            logger.warning(
                "%s:%d: %d damaged lines; what they held is asked again", path, damaged[0], len(damaged)
            )

    def _learn(self, entry: Entry, place: int) -> None:
        if entry.status != "failed":
            for key in filter(None, (entry.key, entry.loose_key)):
                self._index.add(key, place)

    def _next_segment(self) -> JsonlAppender:
        if self._writer is not None:
            self._writer.close()
        self._number += 1
        self._end = 0
        self._writer = JsonlAppender(_path(self.folder, self._number), sync_s=SYNC_S)
        return self._writer

    def _read(self, place: int) -> Entry | None:
        number, start = place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1)
        path = _path(self.folder, number)
        with reading_from(path):
            if number not in self._handles:
                self._handles[number] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return _decoded(_line(self._handles[number], start))


def has_journal(folder: Path) -> bool:
    """Tell whether a folder holds a journal with a segment in it.

    Raises:
        DataError: A segment is missing.
    """
    return bool(_segments(folder))


def read_entries(folder: Path) -> Iterator[Entry]:
    """Yield every whole entry of a journal in the order of writing, failures included.

    Raises:
        DataError: It cannot be read.
    """
    for path in _segments(folder):
        with reading_from(path), path.open("rb") as file:
            for line in file:
                if (entry := _decoded(line)) is not None:
                    yield entry


def _segments(folder: Path) -> list[Path]:
    """Return the segments in order.

    Raises:
        DataError: One is missing.
    """
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    for number, path in enumerate(found, 1):
        if path != _path(folder, number):
            raise DataError(f"{_path(folder, number).name} is missing; put it back", path=folder)
    return found


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:05}.jsonl"


def _decoded(line: bytes) -> Entry | None:
    """Return the entry of a line, or None where the line is not what was written."""
    body, tail = line[: -_SUM_BYTES - 1], line[-_SUM_BYTES - 1 :]
    if tail != _SUM + b'%08x"}\n' % zlib.crc32(body):
        return None
    try:
        return _DECODER.decode(body + b"}")
    except msgspec.DecodeError:
        return None


def _line(handle: int, start: int) -> bytes:
    """Return the line that begins at ``start``."""
    size = 1 << 14
    while True:
        data = os.pread(handle, size, start)
        end = data.find(b"\n")
        if end >= 0:
            return data[: end + 1]
        if len(data) < size:
            return data
        size *= 4
