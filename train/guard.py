"""Decides which optimiser steps are not taken: those that are not finite, and spikes of the gradient."""

from __future__ import annotations

import math
import statistics
from collections import deque

from opencoder.errors import GateError
from train.spec import Guard


class StepGuard:
    """Watches the global gradient norm, which is the same on every rank, so that all ranks decide alike.

    Attributes:
        settings: Limits.
        skipped: Steps not taken so far.
        last_skipped: The step in hand is not taken.
    """

    def __init__(self, settings: Guard) -> None:
        self.settings = settings
        self.skipped = 0
        self.last_skipped = False
        self._in_a_row = 0
        self._recent: deque[float] = deque(maxlen=settings.window)

    def admit(self, norm: float) -> bool:
        """Say whether the step with this gradient norm is taken.

        Raises:
            GateError: ``max_skipped`` steps on end were not: what is wrong will not go away by itself.
        """
        reason = self._objection(norm)
        self.last_skipped = bool(reason)
        if not reason:
            self._in_a_row = 0
            self._recent.append(norm)
            return True
        self.skipped += 1
        self._in_a_row += 1
        if self._in_a_row >= self.settings.max_skipped:
            raise GateError(
                f"training: {self._in_a_row} steps on end were skipped, the last one because {reason}; "
                "go back to an earlier checkpoint (--load-step) with a lower learning rate or other data"
            )
        return False

    def _objection(self, norm: float) -> str:
        if not math.isfinite(norm):
            return f"the gradient norm is {norm}"
        if self.settings.spike and len(self._recent) == self.settings.window:
            usual = statistics.median(self._recent)
            if norm > self.settings.spike * usual:
                return f"the gradient norm {norm:.3g} is over {self.settings.spike:g} x the usual {usual:.3g}"
        return ""

    def numbers(self) -> list[float]:
        """Return the whole state as ``window + 2`` numbers, for a resumed run to decide alike."""
        empty = [math.nan] * (self.settings.window - len(self._recent))
        return [float(self.skipped), float(self._in_a_row), *self._recent, *empty]

    def restore(self, numbers: list[float]) -> None:
        """Take over the state of :meth:`numbers`."""
        self.skipped, self._in_a_row = int(numbers[0]), int(numbers[1])
        self._recent.clear()
        self._recent.extend(number for number in numbers[2:] if not math.isnan(number))
