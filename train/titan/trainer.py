"""torchtitan's trainer with a guard, polite stopping and records of how it ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from torchtitan.trainer import Trainer

from opencoder.errors import OpenCoderError
from opencoder.store import read_json, write_json
from train import checkpoints
from train.guard import StepGuard
from train.spec import ASIDE, CHECKPOINTS, FINISHED, LOAD_STEP, STOP, read_spec
from train.titan import compat
from train.titan.checkpoint import SealedCheckpoints
from train.titan.metrics import SpecMetrics
from train.titan.optimizer import GuardedOptimizers


class SpecTrainer(Trainer):
    """Trains what a run folder's spec says.

    Attributes:
        guard: Decides which steps are taken.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(Trainer.Config):
        """``folder``: the run folder."""

        folder: str = ""

    def __init__(self, config: Config) -> None:
        self._folder = Path(config.folder)
        self._spec = read_spec(self._folder)
        self.guard = StepGuard(self._spec.guard)
        self._stopped = False
        self._asked = False
        compat.watch_gradient_norm(self._see_norm)
        super().__init__(config)
        cast(GuardedOptimizers, self.optimizers).guard = self.guard
        if isinstance(self.metrics_processor, SpecMetrics):
            self.metrics_processor.guard = self.guard
        # On the host, so that asking costs no device work.
        self._hosts = dist.new_group(backend="gloo") if self._real else None
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._ask_to_stop)

    @property
    def _real(self) -> bool:
        return dist.get_backend() != "fake"

    def _see_norm(self, norm: torch.Tensor) -> None:
        # A sharded norm is known after its reduction only.
        whole = getattr(norm, "full_tensor", None)
        cast(GuardedOptimizers, self.optimizers).norm = whole() if whole else norm

    def _ask_to_stop(self, *_: Any) -> None:
        self._asked = True

    def train(self) -> None:
        """Train to the last step, or to the step in hand when asked to stop."""
        if dist.get_rank() == 0:
            (self._folder / FINISHED).unlink(missing_ok=True)
        self.config.checkpoint.load_step = self._step_to_load()
        super().train()
        if dist.get_rank() == 0:
            reason = "stopped" if self._stopped else "done"
            write_json(self._folder / FINISHED, {"step": self.step, "reason": reason})

    def _step_to_load(self) -> int:
        """Return the step to go on from (-1: the newest); later checkpoints are moved out of the way."""
        path = self._folder / LOAD_STEP
        if not path.is_file():
            return -1
        step = read_json(path, dict[str, int])["step"]
        folder = self._folder / CHECKPOINTS
        checkpoints.chosen(folder, step)
        dist.barrier()
        if dist.get_rank() == 0:
            for later in checkpoints.steps(folder, whole=False):
                if later > step:
                    checkpoints.set_aside(folder, later, self._folder / ASIDE)
            path.unlink()
        dist.barrier()
        return step

    def train_step(self, data_iterator: Iterator[Any]) -> None:
        """Take one step; one that the guard refuses is told in the metrics and otherwise passed over."""
        # Of the step before: an error that comes before the guard has decided is none of its making.
        self.guard.last_skipped = False
        try:
            super().train_step(data_iterator)
        except OpenCoderError:
            raise
        except RuntimeError:
            # torchtitan ends the run at a loss that is not finite, after the optimiser has refused the step.
            if not self.guard.last_skipped:
                raise
        metrics = cast(SpecMetrics, self.metrics_processor)
        if self.guard.last_skipped and metrics.logged != self.step:
            rate = next(iter(self.lr_schedulers.get_metrics().values()))
            metrics.write(self.step, loss=float("nan"), grad_norm=float(self._norm()), lr=rate)

    def _norm(self) -> torch.Tensor:
        norm = cast(GuardedOptimizers, self.optimizers).norm
        return torch.tensor(float("nan")) if norm is None else norm

    def should_continue_training(self) -> bool:
        """Say whether another step follows; all ranks agree, and save when one was asked to stop."""
        if self.step >= self._spec.steps or not self._agree_to_stop():
            return bool(super().should_continue_training())
        self._stopped = True
        saved = cast(SealedCheckpoints, self.checkpointer)
        if self.step and not saved.saved(self.step):
            saved.save(self.step, last_step=True)
        return False

    def _agree_to_stop(self) -> bool:
        asked = self._asked or (dist.get_rank() == 0 and (self._folder / STOP).exists())
        if self._hosts is None or dist.get_world_size() == 1:
            return asked
        flag = torch.tensor(int(asked))
        dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=self._hosts)
        return bool(flag)

    def state_dict(self) -> dict[str, Any]:
        """Return step, tokens and the guard's memory."""
        numbers = torch.tensor(self.guard.numbers(), dtype=torch.float64)
        return {**super().state_dict(), "guard": numbers}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over :meth:`state_dict`."""
        super().load_state_dict(state_dict)
        self.guard.restore(state_dict["guard"].tolist())
