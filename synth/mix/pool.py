"""Rows that may be drawn: their bytes in one file, what decides about them in memory (33 bytes a row)."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from opencoder.files import writing_to
from synth.mix.draw import row_key
from synth.record import Row

_BUFFER_BYTES = 1 << 20
# Worse than all of these is what was run and is wrong.
_RANKS = {"pass": 0, "unverified": 1, "skipped": 1}
_WORST = 2


class Pool:
    """Rows of all sources, in the order in which they were read. Use it as a context manager.

    Args:
        path: A file for the rows, which is deleted in the end.
        seed: Of the mixture.
    """

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        self._seed = seed
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Row)
        self._ends = array("Q", [0])
        self._sources = array("H")
        self._keys = array("Q")
        self._ranks = array("B")
        self._killed = array("f")
        self._reached = array("f")

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, row: Row, source: int) -> None:
        """Take in a row."""
        line = self._encoder.encode(row) + b"\n"
        self._file.write(line)
        self._ends.append(self._ends[-1] + len(line))
        self._sources.append(source)
        self._keys.append(row_key(self._seed, row.id))
        verify = row.verify
        self._ranks.append(_RANKS.get("unverified" if verify is None else verify.status, _WORST))
        self._killed.append(verify.killed / verify.mutants if verify and verify.mutants else 0.0)
        self._reached.append((verify.line_cov or 0.0) if verify else 0.0)

    def seal(self) -> None:
        """End taking in; from here on rows can be read."""
        self._file.flush()

    def line(self, place: int) -> bytes:
        """Return the row at a place, as it stands in a file of rows."""
        start = self._ends[place]
        return os.pread(self._file.fileno(), self._ends[place + 1] - start, start)

    def row(self, place: int) -> Row:
        """Return the row at a place."""
        return self._decoder.decode(self.line(place))

    @property
    def sources(self) -> Any:
        """Number of the source of each row."""
        import numpy as np

        return np.frombuffer(self._sources, dtype=np.uint16)

    @property
    def keys(self) -> Any:
        """Key of each row (see :func:`synth.mix.draw.row_key`)."""
        import numpy as np

        return np.frombuffer(self._keys, dtype=np.uint64)

    def best_first(self) -> Any:
        """Return the places from the best-verified row to the worst.

        A pass is better than a row that was not run, and that than one that failed; then counts the share of
        mutants that the tests kill, then that of statements reached, then the order of reading.
        """
        import numpy as np

        killed = np.frombuffer(self._killed, dtype=np.float32)
        reached = np.frombuffer(self._reached, dtype=np.float32)
        ranks = np.frombuffer(self._ranks, dtype=np.uint8)
        return np.lexsort((-reached, -killed, ranks))

    def __enter__(self) -> Self:
        with writing_to(self._path):
            self._file = self._path.open("w+b", buffering=_BUFFER_BYTES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
