"""Limits of one run of a row's code."""

from __future__ import annotations

from sandbox.api import Limits
from sandbox.judgement import WALL_EXTRA_S, WALL_FACTOR

SIDE_BY_SIDE = 2
"""Rows per CPU: each waits half of its time for processes to begin and to end."""

TIMEOUT_S = 10.0
MEMORY_MB = 1024


def limits_of(timeout_s: float = TIMEOUT_S, memory_mb: int = MEMORY_MB) -> Limits:
    """Return limits that judge by CPU time; the clock on the wall is for programs that wait.

    Args:
        timeout_s: CPU seconds.
        memory_mb: MiB.
    """
    return Limits(wall_s=WALL_FACTOR * timeout_s + WALL_EXTRA_S, cpu_s=timeout_s, memory_mb=memory_mb)
