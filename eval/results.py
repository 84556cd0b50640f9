"""From outcomes to the numbers that are reported."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from opencoder import stats
from opencoder.records import SCHEMA_VERSION, Outcome, Status

KS = (1, 10, 100)
"""The k of pass@k that are reported as far as every task has that many samples (EvalPlus' choice)."""

UNSCORED: frozenset[Status] = frozenset({"infra_error", "skipped"})
"""Outcomes that say nothing about the model and are left out of every denominator."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One number with its denominator.

    Attributes:
        pass_at_k: k -> unbiased estimate, mean over tasks.
        ci95: 95 % interval of pass@1: Wilson for one sample per task, bootstrap over tasks for more.
        num_tasks: Tasks with at least one scored sample; the denominator.
        num_samples: Scored samples.
        num_passed: Samples that passed.
    """

    pass_at_k: dict[str, float]
    ci95: tuple[float, float] | None
    num_tasks: int
    num_samples: int
    num_passed: int


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one benchmark (``results.json``).

    ``base`` is the score on the original inputs alone, for the EvalPlus sets. ``judge`` says how verdicts
    came about (see ``sandbox.judge``), ``time_factor`` how many times as long as the preset's the limits were
    (see ``sandbox.calibrate``).
    """

    schema_version: int = SCHEMA_VERSION
    benchmark: str
    version: str
    dataset_sha256: str
    dataset_origin: str
    preset: str
    extraction: str
    model: str
    model_revision: str
    num_tasks: int
    num_samples: int
    num_passed: int
    pass_at_k: dict[str, float]
    ci95: tuple[float, float] | None
    base: Score | None
    counts: dict[str, int]
    infra_errors: int
    skipped: int
    backend: str
    guarantee: str
    judge: str
    image_digest: str
    tool_version: str
    wall_s: float
    time_factor: float = 1.0


def score(outcomes: Iterable[Outcome], status_of: Callable[[Outcome], Status | None]) -> Score:
    """Return the score of outcomes under one of their statuses."""
    by_task: dict[str, list[bool]] = defaultdict(list)
    for outcome in outcomes:
        status = status_of(outcome)
        if status is not None and status not in UNSCORED:
            by_task[outcome.task_id].append(status == "passed")
    counts = [(len(passes), sum(passes)) for passes in by_task.values()]
    estimates = {str(k): value for k in KS if (value := stats.pass_at_k(counts, k)) is not None}
    return Score(
        pass_at_k=estimates,
        ci95=_interval(counts),
        num_tasks=len(counts),
        num_samples=sum(n for n, _ in counts),
        num_passed=sum(c for _, c in counts),
    )


def _interval(counts: Sequence[tuple[int, int]]) -> tuple[float, float] | None:
    if not counts:
        return None
    if all(n == 1 for n, _ in counts):
        interval = stats.wilson(sum(c for _, c in counts), len(counts))
    else:
        interval = stats.bootstrap_mean([c / n for n, c in counts])
    return interval.low, interval.high


def status_counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return how many outcomes have each status, the passed ones first."""
    counts = Counter(outcome.status for outcome in outcomes)
    return dict(sorted(counts.items(), key=lambda item: (item[0] != "passed", item[0])))


def table_lines(rows: Sequence[Results]) -> list[str]:
    """Return a plain table: one line per benchmark with score, interval, denominator and faults."""
    header = (
        "benchmark",
        "pass@1",
        "95 % interval",
        "base",
        "passed",
        "samples",
        "tasks",
        "infra",
        "backend",
    )
    lines = [header, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _cells(row: Results) -> tuple[str, ...]:
    return (
        row.benchmark,
        percent(row.pass_at_k.get("1")),
        "-" if row.ci95 is None else f"{percent(row.ci95[0])} … {percent(row.ci95[1])}",
        "-" if row.base is None else percent(row.base.pass_at_k.get("1")),
        str(row.num_passed),
        str(row.num_samples),
        str(row.num_tasks),
        str(row.infra_errors),
        f"{row.backend} ({row.guarantee})",
    )


def percent(value: float | None) -> str:
    """Return a fraction as per cent with one decimal."""
    return "-" if value is None else f"{100 * value:.1f}"
