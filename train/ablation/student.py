"""Student's t distribution with a whole number of degrees of freedom, without scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from opencoder.stats import Interval

_HALVINGS = 200


def t_central(t: float, df: int) -> float:
    """Return the probability of ``|T| <= t`` (Abramowitz and Stegun, 26.7.3 and 26.7.4).

    Args:
        t: 0 or more.
        df: Degrees of freedom, 1 or more.
    """
    theta = math.atan(t / math.sqrt(df))
    cos2 = math.cos(theta) ** 2
    odd = df % 2
    total = term = (math.cos(theta) if df > 1 else 0.0) if odd else 1.0
    for k in range(2 + odd, df - 1, 2):
        term *= cos2 * (k - 1) / k
        total += term
    if odd:
        return 2 / math.pi * (theta + math.sin(theta) * total)
    return math.sin(theta) * total


def t_quantile(confidence: float, df: int) -> float:
    """Return the ``t`` with a probability of ``confidence`` of ``|T| <= t``."""
    high = 1.0
    while t_central(high, df) < confidence:
        high *= 2
    low = 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if t_central(middle, df) < confidence else (low, middle)
    return high


def t_interval(values: Sequence[float], confidence: float) -> Interval | None:
    """Return the interval of the mean of independent values; ``None`` for fewer than two."""
    if len(values) < 2:
        return None
    half = t_quantile(confidence, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(fmean(values) - half, fmean(values) + half)
