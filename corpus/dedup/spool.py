"""Contents of documents on disk, read back by number: what lets one pass over the input be enough."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from types import TracebackType
from typing import Self

from opencoder.files import writing_to

WHOLE = slice(0, None)
"""All bytes of a document."""


class Spool:
    """A file of contents, one after the other. Reading may go on in several threads.

    Args:
        path: The file, which must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = array("q", [0])
        self._file = path.open("xb+")

    def append(self, content: bytes) -> None:
        """Add the next document's content.

        Raises:
            DependencyError: The disk is full.
        """
        with writing_to(self._path):
            self._file.write(content)
        self._starts.append(self._starts[-1] + len(content))

    def flush(self) -> None:
        """Make what was appended readable."""
        with writing_to(self._path):
            self._file.flush()

    def size(self, number: int) -> int:
        """Return the bytes of one document."""
        return self._starts[number + 1] - self._starts[number]

    def read(self, number: int, part: slice = WHOLE) -> bytes:
        """Return the content of one document, counted from 0 in the order of appending, or a part of it."""
        first, end, _ = part.indices(self.size(number))
        wanted, at = max(0, end - first), self._starts[number] + first
        parts = []
        # One call reads at most 2 GiB.
        while wanted:
            piece = os.pread(self._file.fileno(), wanted, at)
            if not piece:
                raise EOFError(f"{self._path} ends early")
            parts.append(piece)
            wanted, at = wanted - len(piece), at + len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
