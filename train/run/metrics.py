"""``metrics.jsonl``: followed while it grows, and cut back to the step that a run goes on from."""

from __future__ import annotations

from pathlib import Path

import msgspec

from opencoder.files import write_bytes
from train.run.folder import Metric
from train.spec import METRICS


class Follower:
    """Reads the lines that are added to a run's ``metrics.jsonl``.

    Args:
        folder: The run folder; the file need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / METRICS
        self._read = 0

    def new(self) -> list[Metric]:
        """Return the whole lines since the last call; a line that is no metric is passed over."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [metric for line in whole.splitlines() if (metric := _metric(line)) is not None]


def cut_back(folder: Path, step: int) -> Metric | None:
    """Take the lines after ``step`` out of ``metrics.jsonl``, and a torn last line.

    The steps after a checkpoint are done again when the run goes on from it; without the cut they would
    stand there twice.

    Returns:
        The last line that is left.
    """
    path = folder / METRICS
    if not path.exists():
        return None
    kept: list[bytes] = []
    last: Metric | None = None
    lines = path.read_bytes().splitlines(keepends=True)
    for line in lines:
        metric = _metric(line) if line.endswith(b"\n") else None
        if metric is not None and metric.step <= step:
            kept.append(line)
            last = metric
    if len(kept) < len(lines):
        write_bytes(path, b"".join(kept))
    return last


def last_metric(folder: Path) -> Metric | None:
    """Return the last whole line of ``metrics.jsonl``."""
    return next(reversed(Follower(folder).new()), None)


def _metric(line: bytes) -> Metric | None:
    try:
        return msgspec.json.decode(line, type=Metric)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
