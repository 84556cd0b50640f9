"""The learning-rate schedule of a spec, for torchtitan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torchtitan.components.optimizer import LRSchedulersContainer, OptimizersContainer

from train.schedule import learning_rate
from train.spec import Schedule


class SpecSchedule(LRSchedulersContainer):
    """Follows :func:`train.schedule.learning_rate`; torchtitan's own has no exponential decay."""

    @dataclass(kw_only=True, slots=True)
    class Config(LRSchedulersContainer.Config):
        """``schedule``: phases in steps."""

        schedule: Schedule

        def build(self, *, optimizers: OptimizersContainer, training_steps: int) -> Any:
            """Return the schedule over the optimisers. ``training_steps`` says nothing that is not known."""
            schedule = self.schedule

            def factor(done: int) -> float:
                return learning_rate(schedule, done + 1) / schedule.peak

            return SpecSchedule(optimizers, factor)
