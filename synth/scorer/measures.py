"""How well scores agree with labels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from opencoder.stats import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 1000
THRESHOLD = 3
"""fineweb-edu keeps texts with a score that rounds to 3 or more."""

NUM_QUANTILES = 101


class Agreement(msgspec.Struct, kw_only=True, frozen=True):
    """How well scores order texts as their labels do.

    Attributes:
        num: Texts.
        spearman: Rank correlation, ties at their mean rank; None where all labels are the same.
        ci95: Its interval by bootstrap over texts.
    """

    num: int
    spearman: float | None
    ci95: Interval | None


class Decile(msgspec.Struct, kw_only=True, frozen=True):
    """A tenth of the texts, in the order of their scores.

    Attributes:
        low: Least score of them.
        high: Largest score.
        num: Texts.
        label: Their mean label.
    """

    low: float
    high: float
    num: int
    label: float


def agreement(scores: Sequence[float], labels: Sequence[float], *, seed: int) -> Agreement:
    """Measure the rank correlation of scores with labels, with its interval."""
    found = spearman(scores, labels)
    if found is None:
        return Agreement(num=len(scores), spearman=None, ci95=None)
    return Agreement(num=len(scores), spearman=found, ci95=_bootstrap(scores, labels, seed))


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation: Pearson's of the ranks, ties at their mean rank.

    Returns:
        From -1 to 1. Scores that are all the same order nothing: 0. None where all of ``b`` is the same, or
        with fewer than two pairs.

    Raises:
        ValueError: The sequences differ in length.
    """
    import numpy as np

    if len(a) != len(b):
        raise ValueError(f"{len(a)} scores for {len(b)} labels")
    if len(set(b)) < 2:
        return None
    return round(_pearson(_ranks(np.asarray(a, float)), _ranks(np.asarray(b, float))), 6)


def f1_at_threshold(scores: Sequence[float], labels: Sequence[float]) -> float | None:
    """Return F1 of "rounds to 3 or more", as fineweb-edu reports it (82 % there).

    Returns:
        None where no label and no score does.
    """
    bar = THRESHOLD - 0.5
    right = sum(score >= bar and label >= bar for score, label in zip(scores, labels, strict=True))
    either = sum(score >= bar for score in scores) + sum(label >= bar for label in labels)
    return round(2 * right / either, 6) if either else None


def calibration(scores: Sequence[float], labels: Sequence[float]) -> list[Decile]:
    """Return the mean label of each tenth of the texts, from the lowest scores to the highest."""
    pairs = sorted(zip(scores, labels, strict=True))
    cuts = [len(pairs) * part // 10 for part in range(11)]
    parts = [pairs[low:high] for low, high in itertools.pairwise(cuts) if high > low]
    return [
        Decile(
            low=round(part[0][0], 6),
            high=round(part[-1][0], 6),
            num=len(part),
            label=round(math.fsum(label for _, label in part) / len(part), 6),
        )
        for part in parts
    ]


def quantiles(scores: Sequence[float]) -> list[float]:
    """Return the percentiles from 0 to 100 of the scores."""
    import numpy as np

    found: list[float] = np.quantile(np.asarray(scores, float), np.linspace(0, 1, NUM_QUANTILES)).tolist()
    return found


def threshold_of(percentiles: Sequence[float], keep: float) -> float:
    """Return the score that a share ``keep`` of the texts reaches.

    Args:
        percentiles: At even distances, from the lowest score to the highest.
        keep: From above 0 to 1.

    Raises:
        ValueError: It is not.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"a share to keep is from above 0 to 1, not {keep:g}")
    place = (1 - keep) * (len(percentiles) - 1)
    below = min(math.floor(place), len(percentiles) - 2)
    return percentiles[below] + (place - below) * (percentiles[below + 1] - percentiles[below])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean: NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return mean[place]


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    import numpy as np

    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(np.sum(a * a)) * float(np.sum(b * b)))
    return float(np.sum(a * b)) / size if size else 0.0


def _bootstrap(scores: Sequence[float], labels: Sequence[float], seed: int) -> Interval:
    import numpy as np

    a, b = np.asarray(scores, float), np.asarray(labels, float)
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, len(a), len(a))
        found.append(_pearson(_ranks(a[drawn]), _ranks(b[drawn])))
    low, high = np.quantile(found, [0.025, 0.975]).tolist()
    return Interval(round(low, 6), round(high, 6))
