"""Statistics of benchmark results, without numpy.

Sources: pass@k is the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, eq. 1); the interval of a
proportion is Wilson's (1927); two systems on the same tasks are compared by McNemar's exact test (1947).
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from statistics import NormalDist
from typing import NamedTuple

_DRAWS_PER_BINOMIAL = 10
"""Measured: one binomial draw costs about as much as ten draws of a task."""


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float | None:
    """Return the mean over tasks of the unbiased estimate of pass@k.

    Args:
        counts: ``(n, c)`` per task: judged samples, and those of them that passed.
        k: Samples that a user would draw.

    Returns:
        A fraction, or ``None`` if there is no task or any task has fewer than ``k`` samples: the estimator
        does not exist there, and leaving such tasks out would change the benchmark.
    """
    estimates = [task_pass_at_k(n, c, k) for n, c in counts]
    known = [value for value in estimates if value is not None]
    if not known or len(known) != len(estimates):
        return None
    return math.fsum(known) / len(known)


def task_pass_at_k(n: int, c: int, k: int) -> float | None:
    """Return ``1 - C(n-c, k) / C(n, k)`` for one task, ``None`` if ``n < k``.

    Raises:
        ValueError: Not ``0 <= c <= n`` or ``k < 1``.
    """
    if not 0 <= c <= n or k < 1:
        raise ValueError(f"needs 0 <= c <= n and k >= 1, got n={n}, c={c}, k={k}")
    if n < k:
        return None
    if n - c < k:
        return 1.0
    # The product form of the paper: no big binomials, no cancellation.
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def wilson(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion; ``(0, 1)`` without trials."""
    if trials == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = successes / trials
    spread = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    centre = p + z * z / (2 * trials)
    scale = 1 + z * z / trials
    # At the ends the formula gives the bound exactly; rounding may step over it.
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == trials else (centre + spread) / scale
    return Interval(low, high)


def bootstrap_mean(
    values: Sequence[float], *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Return the percentile bootstrap interval of the mean over tasks.

    A resample of ``n`` tasks with replacement matters only through how often each distinct value is drawn,
    and those counts are multinomial. Drawing them one value after the other as binomials is the same
    bootstrap at a cost that depends on the distinct values, not on the tasks; where most values are
    distinct, the tasks are drawn one by one.

    Args:
        values: One value per task (its pass@k, or its difference between two systems).
        confidence: Coverage.
        resamples: Number of resamples.
        seed: Same seed, same interval.

    Raises:
        ValueError: There is no value.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    tally = sorted(Counter(values).items())
    generator = random.Random(seed)  # noqa: S311 - statistics, no secret
    n = len(values)
    if len(tally) * _DRAWS_PER_BINOMIAL <= n:
        means = sorted(_resampled_mean(tally, n, generator.random) for _ in range(resamples))
    else:
        means = sorted(sum(generator.choices(values, k=n)) / n for _ in range(resamples))
    tail = (1 - confidence) / 2
    return Interval(_quantile(means, tail), _quantile(means, 1 - tail))


def bootstrap_difference(
    a: Sequence[float],
    b: Sequence[float],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Return the paired bootstrap interval of ``mean(b) - mean(a)`` over the same tasks.

    Raises:
        ValueError: The sequences differ in length or are empty.
    """
    differences = [right - left for left, right in zip(a, b, strict=True)]
    return bootstrap_mean(differences, confidence=confidence, resamples=resamples, seed=seed)


def mcnemar_exact(a_only: int, b_only: int) -> float:
    """Return the two-sided exact p-value for two systems on the same tasks.

    Args:
        a_only: Tasks that only the first solved.
        b_only: Tasks that only the second solved.

    Returns:
        Twice the smaller tail of Binomial(a_only + b_only, 1/2), at most 1. Tasks on which both agree say
        nothing; without any disagreement the value is 1.
    """
    n, smaller = a_only + b_only, min(a_only, b_only)
    term = total = 1
    for i in range(smaller):
        term = term * (n - i) // (i + 1)
        total += term
    # Whole numbers to the end: the power leaves the range of floats at n = 1024.
    p_value: float = 2 * total / (1 << n)
    return min(1.0, p_value)


def _resampled_mean(tally: Sequence[tuple[float, int]], n: int, uniform: Callable[[], float]) -> float:
    left, tasks_left, total = n, n, 0.0
    for value, num in tally[:-1]:
        first, cumulative = _binomial(left, num, tasks_left)
        drawn = first + bisect_left(cumulative, uniform())
        total += value * drawn
        left -= drawn
        tasks_left -= num
        if left == 0:
            return total / n
    return (total + tally[-1][0] * left) / n


@lru_cache(maxsize=100_000)
def _binomial(n: int, part: int, whole: int) -> tuple[int, list[float]]:
    """Return ``(first, cumulative)`` of Binomial(n, part / whole): ``P(X <= first + i)`` per ``i``.

    Values over ten standard deviations from the mean (below 1e-20 in all) are left out.
    """
    p = part / whole
    spread = 10 * math.sqrt(n * p * (1 - p)) + 10
    first, last = max(0, math.floor(n * p - spread)), min(n, math.ceil(n * p + spread))
    log_p, log_q = math.log(p), math.log1p(-p)
    rest = math.lgamma(n + 1)
    weights = (
        math.exp(rest - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * log_p + (n - i) * log_q)
        for i in range(first, last + 1)
    )
    # The last bound is dropped, so that a draw beyond all others lands on the last value.
    return first, list(accumulate(weights))[:-1]


def _quantile(ordered: Sequence[float], q: float) -> float:
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
