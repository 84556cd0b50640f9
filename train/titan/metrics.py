"""Metrics: one JSON line per logged step, and torchtitan's own sinks (TensorBoard, wandb)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torchtitan.components.metrics import MetricsProcessor

from opencoder.store import JsonlAppender
from train.guard import StepGuard
from train.spec import METRICS


class SpecMetrics(MetricsProcessor):
    """Writes ``metrics.jsonl``, then logs as torchtitan does.

    Attributes:
        guard: Tells how many steps were refused; set by the trainer.
        logged: The last step that has a line.
    """

    guard: StepGuard | None = None
    logged: int = -1

    @dataclass(kw_only=True, slots=True)
    class Config(MetricsProcessor.Config):
        """Where to write, and what is needed to count.

        ``folder``: the run folder. ``tokens_per_step``: of all ranks. ``ranks``: of the run.
        """

        folder: str
        tokens_per_step: int
        ranks: int

    def __init__(self, config: Config, **parts: Any) -> None:
        super().__init__(config, **parts)
        self._settings = config
        self._file = JsonlAppender(Path(config.folder) / METRICS) if dist.get_rank() == 0 else None
        self._last: tuple[int, float] | None = None

    def log(
        self,
        step: int,
        global_avg_loss: float,
        global_max_loss: float,
        grad_norm: float,
        extra_metrics: dict[str, Any] | None = None,
    ) -> None:
        """Log a step.

        Args:
            step: Counted from 1.
            global_avg_loss: Mean over all trained tokens of all ranks, in nats.
            global_max_loss: The worst rank's mean.
            grad_norm: Before clipping.
            extra_metrics: Learning rates by ``lr/...``, tokens seen.
        """
        extra = extra_metrics or {}
        rates = [value for name, value in extra.items() if name.startswith("lr/")]
        self.write(step, loss=global_avg_loss, grad_norm=grad_norm, lr=rates[0] if rates else math.nan)
        if not self.data_loading_times:
            self.data_loading_times.append(0.0)
        super().log(step, global_avg_loss, global_max_loss, grad_norm, extra)

    def write(self, step: int, *, loss: float, grad_norm: float, lr: float) -> None:
        """Append one line; numbers that are not finite are null."""
        if self._file is None:
            return
        now = time.perf_counter()
        line: dict[str, Any] = {
            "step": step,
            "loss": _finite(loss),
            "grad_norm": _finite(grad_norm),
            "lr": lr,
        }
        line["tokens"] = step * self._settings.tokens_per_step
        if self._last is not None and now > self._last[1]:
            tokens = (step - self._last[0]) * self._settings.tokens_per_step
            rate = tokens / (now - self._last[1])
            line["tokens_per_s"] = round(rate, 1)
            if self.device_memory_monitor.device_name != "cpu":
                peak = self.gpu_peak_flops * self._settings.ranks
                line["mfu"] = round(self.num_flops_per_token * rate / peak, 4)
        line["memory_gib"] = round(self.device_memory_monitor.get_peak_stats().max_reserved_gib, 2)
        line["skipped"] = 0 if self.guard is None else self.guard.skipped
        self._last, self.logged = (step, now), step
        self._file.append(line)

    def close(self) -> None:
        """End the sinks."""
        if self._file is not None:
            self._file.close()
        super().close()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
