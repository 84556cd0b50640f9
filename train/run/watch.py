"""What is seen of a run while it trains: numbers for the user, and signs of life."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from opencoder.log import Progress, progress
from train.run.folder import Metric
from train.run.metrics import Follower
from train.spec import CHECKPOINTS, METRICS


class Watch:
    """Shows loss, tokens/s, MFU, skipped steps and the time that is left. Use it as a context manager.

    The clock of the rate starts with the first step, so that compiling and loading do not spoil it.

    Args:
        folder: The run folder; ``metrics.jsonl`` is cut back already.
        label: What is trained.
        steps: Steps of the whole run.

    Attributes:
        last: The newest metrics; ``None`` before the first line of this session.
    """

    def __init__(self, folder: Path, label: str, steps: int) -> None:
        self.last: Metric | None = None
        self._label, self._steps = label, steps
        self._follower = Follower(folder)
        self._follower.new()
        self._shown: Progress | None = None
        self._stack = ExitStack()

    def look(self) -> None:
        """Take in what is new."""
        for metric in self._follower.new():
            if self._shown is None:
                shown = progress(self._label, self._steps, already=metric.step)
                shown.note = describe(metric)
                self._shown = self._stack.enter_context(shown)
            elif metric.step > self._shown.done:
                self._shown.note = describe(metric)
                self._shown.advance(metric.step - self._shown.done)
            self.last = metric

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.look()
        self._stack.close()


def describe(metric: Metric) -> str:
    """Say in a few words how training goes."""
    words = ["loss not finite" if metric.loss is None else f"loss {metric.loss:.4f}"]
    if metric.tokens_per_s is not None:
        words.append(f"{metric.tokens_per_s:,.0f} tokens/s")
    if metric.mfu is not None:
        words.append(f"MFU {metric.mfu:.1%}")
    if metric.skipped:
        words.append(f"{metric.skipped} skipped")
    return ", ".join(words)


class Watchdog:
    """Notices that a run shows no sign of life: no new line of metrics and no byte of a checkpoint.

    Args:
        folder: The run folder.
        limit_s: Longest silence; 0 waits for ever.
    """

    def __init__(self, folder: Path, limit_s: float) -> None:
        self.limit_s = limit_s
        self._folder = folder
        self._sign = _sign(folder)
        self._changed = self._looked = time.monotonic()

    def is_hanging(self) -> bool:
        """Tell whether the silence has lasted too long."""
        now = time.monotonic()
        # A look costs a walk over the checkpoints, which may be on a slow network.
        if self.limit_s and now - self._looked >= min(5.0, self.limit_s / 4):
            self._looked = now
            if (sign := _sign(self._folder)) != self._sign:
                self._sign, self._changed = sign, now
        return bool(self.limit_s) and now - self._changed > self.limit_s


def _sign(folder: Path) -> tuple[int, int]:
    metrics = folder / METRICS
    newest = 0
    for path in (*(folder / CHECKPOINTS).glob("*"), *(folder / CHECKPOINTS).glob("*/*")):
        try:
            newest = max(newest, path.stat().st_mtime_ns)
        except FileNotFoundError:
            continue
    return metrics.stat().st_size if metrics.exists() else 0, newest
