"""AdamW that passes over steps which the guard refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torchtitan.components.optimizer import OptimizersContainer, ParamGroupConfig

from train.guard import StepGuard
from train.spec import RunSpec


class GuardedOptimizers(OptimizersContainer[torch.optim.Optimizer]):
    """torchtitan's optimisers with a guard before each step.

    Attributes:
        guard: Decides; set by the trainer.
        norm: Gradient norm of the step in hand; set by the trainer.
    """

    guard: StepGuard | None = None
    norm: torch.Tensor | None = None

    @dataclass(kw_only=True, slots=True)
    class Config(OptimizersContainer.Config):
        """No settings of its own."""

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """Take the step, or leave all weights and states as they are."""
        if self.guard is None or self.norm is None or self.guard.admit(float(self.norm)):
            return super().step(*args, **kwargs)
        return None


def optimizer_config(spec: RunSpec) -> GuardedOptimizers.Config:
    """Return AdamW over all parameters."""
    chosen = spec.optimizer
    return GuardedOptimizers.Config(
        param_groups=[
            ParamGroupConfig(
                pattern=".*",
                optimizer_name="AdamW",
                optimizer_kwargs={
                    "lr": spec.schedule.peak,
                    "betas": (chosen.beta1, chosen.beta2),
                    "eps": chosen.eps,
                    "weight_decay": chosen.weight_decay,
                },
            )
        ]
    )
