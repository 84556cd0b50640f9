"""What the user sees: data on stdout, everything else on stderr, and a JSON log in the run folder.

On a terminal progress is a bar (rich); elsewhere it is plain lines, at most one per 30 seconds besides
the first and the last, so that the log of a batch job stays short.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

import msgspec

LINE_EVERY_S = 30.0

logger = logging.getLogger("opencoder")
"""The root of our loggers; ``logger.getChild("eval")`` for a package."""


def configure(*, quiet: bool = False, verbose: bool = False) -> None:
    """Send log records to stderr as plain lines: warnings if quiet, else information, or all if verbose."""
    handler = _StderrHandler()
    handler.setFormatter(_Lines())
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)


def is_quiet() -> bool:
    """Tell whether only warnings and errors are wanted."""
    return logger.getEffectiveLevel() > logging.INFO


def is_verbose() -> bool:
    """Tell whether all is wanted."""
    return logger.getEffectiveLevel() <= logging.DEBUG


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Add to a JSON lines file what is logged in the block.

    Raises:
        UserError: The place cannot be written.
        DependencyError: The disk is full.
    """
    from opencoder.store import JsonlAppender

    with JsonlAppender(path) as file:
        handler = _JsonHandler(file.append)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


def emit(value: object, *, json: bool, text: str | Callable[[], str] = "") -> None:
    """Write a command's result to stdout: ``value`` as one line of JSON, or else ``text``."""
    out = msgspec.json.encode(value).decode() if json else text() if callable(text) else text
    if out:
        sys.stdout.write(out.rstrip("\n") + "\n")
        sys.stdout.flush()


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


class _StderrHandler(logging.Handler):
    """Asks for ``sys.stderr`` at every line: a running bar puts itself in its place to stay below."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


class _JsonHandler(logging.Handler):
    def __init__(self, append: Callable[[object], None]) -> None:
        super().__init__()
        self._append = append

    def emit(self, record: logging.LogRecord) -> None:
        row: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            row["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._append(row)


class _View(Protocol):
    """How progress is shown. ``show`` is called after every step."""

    def show(self, progress: Progress, *, last: bool = False) -> None: ...


class Progress:
    """Counts finished units and shows how far along they are. Use it as a context manager.

    Attributes:
        done: Units finished, those of earlier sessions included.
        counts: Finished units by status.
        note: What else there is to tell, in a few words.
    """

    def __init__(self, label: str, total: int, view: _View | None, *, already: int = 0) -> None:
        self.label = label
        self.note = ""
        self.total = total
        self.done = already
        self.counts: Counter[str] = Counter()
        self._already = already
        self._view = view
        self._started = time.monotonic()

    def skip(self, num: int) -> None:
        """Count ``num`` units that an earlier session finished."""
        self.done += num
        self._already += num

    def advance(self, num: int = 1, *, status: str | None = None) -> None:
        """Count ``num`` more units that ended with ``status``."""
        self.done += num
        if status is not None:
            self.counts[status] += num
        if self._view is not None:
            self._view.show(self)

    @property
    def rate(self) -> float:
        """Units per second of this session."""
        return (self.done - self._already) / max(time.monotonic() - self._started, 1e-9)

    @property
    def eta_s(self) -> float | None:
        """Seconds to the end at this rate; ``None`` before the first unit."""
        return (self.total - self.done) / self.rate if self.done > self._already else None

    def __str__(self) -> str:
        parts = [f"{self.label}: {self.done}/{self.total}"]
        if self.eta_s is not None:
            parts += [f"{self.rate:.1f}/s", f"{_clock(time.monotonic() - self._started)} gone"]
            if self.done < self.total:
                parts.append(f"{_clock(self.eta_s)} left")
        parts += [f"{status} {num}" for status, num in self.counts.most_common()]
        return ", ".join([*parts, *filter(None, [self.note])])

    def __enter__(self) -> Self:
        if self._view is not None:
            self._view.show(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._view is not None:
            self._view.show(self, last=True)


def progress(
    label: str,
    total: int,
    *,
    already: int = 0,
    quiet: bool | None = None,
    stream: TextIO | None = None,
    every_s: float = LINE_EVERY_S,
) -> Progress:
    """Return the progress of ``total`` units, shown on stderr.

    Args:
        label: What is going on, as in ``scoring humaneval``.
        total: Number of units.
        already: Units finished by an earlier session.
        quiet: Show nothing; by default as :func:`configure` was told.
        stream: Where to show it.
        every_s: Least seconds between two plain lines.
    """
    out = sys.stderr if stream is None else stream
    if is_quiet() if quiet is None else quiet:
        return Progress(label, total, None, already=already)
    fancy = out.isatty() and os.environ.get("TERM") != "dumb"
    return Progress(label, total, _Bar(out) if fancy else _Plain(out, every_s), already=already)


class _Plain:
    def __init__(self, stream: TextIO, every_s: float) -> None:
        self._stream = stream
        self._every_s = every_s
        self._shown_at: float | None = None
        self._shown: int | None = None

    def show(self, progress: Progress, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and self._shown_at is not None and now - self._shown_at < self._every_s:
            return
        if progress.done != self._shown:
            self._stream.write(f"{progress}\n")
            self._stream.flush()
        self._shown_at, self._shown = now, progress.done


class _Bar:
    """A rich bar; rich is loaded with the first step. It honours ``NO_COLOR`` by itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        self._task: Any = None

    def show(self, progress: Progress, *, last: bool = False) -> None:
        if self._bar is None:
            self._bar, self._task = self._start(progress)
        told = [f"{status} {num}" for status, num in progress.counts.most_common()]
        counts = " ".join([*told, *filter(None, [progress.note])])
        self._bar.update(self._task, completed=progress.done, counts=counts)
        if last:
            self._bar.stop()

    def _start(self, progress: Progress) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}", markup=False),
            console=Console(file=self._stream),
        )
        task = bar.add_task(progress.label, total=progress.total, completed=progress.done, counts="")
        bar.start()
        return bar, task


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
