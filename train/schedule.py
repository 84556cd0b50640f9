"""Learning rates by step: warm-up, stable phase, decay (WSD), in closed form.

WSD as in MiniCPM (arXiv 2404.06395); OpenCoder decays exponentially from the peak to the floor during
annealing (arXiv 2411.04905, section 4.2), and with a cosine in fine-tuning (section 5.2).
"""

from __future__ import annotations

import math

from train.spec import Schedule


def learning_rate(schedule: Schedule, step: int) -> float:
    """Return the learning rate of a step.

    The warm-up ends on the peak: its step ``i`` of ``n`` has ``peak * i / n``. The decay ends on the floor:
    its step ``i`` of ``n`` has ``peak * (floor / peak) ** (i / n)`` (exponential); then the floor holds.

    Args:
        schedule: Phases in steps.
        step: Counted from 1, as optimisers' steps are.
    """
    peak, floor = schedule.peak, schedule.floor
    if step <= schedule.warmup_steps:
        return peak * step / schedule.warmup_steps
    into = step - schedule.warmup_steps - schedule.stable_steps
    if into <= 0:
        return peak
    if into >= schedule.decay_steps:
        # A run without a decay goes on at its peak: it ends in the stable phase.
        return floor if schedule.decay_steps else peak
    share = into / schedule.decay_steps
    if schedule.decay == "exponential":
        return peak * math.exp(share * math.log(floor / peak))
    if schedule.decay == "cosine":
        return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * share))
    return peak + (floor - peak) * share
