"""How slow this machine is, so that limits made for an ordinary one can be stretched to it.

Limits in seconds, above all those of published tools, mean a machine of their time; on a slow one a right
program runs out of them. The factor is found by a fixed piece of Python in the opened sandbox itself, so that
it holds what boundary, interpreter and processor cost together, and by CPU time, which load does not touch.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import TracebackType
from typing import Self

from opencoder.errors import OpenCoderError, UserError
from opencoder.log import logger
from sandbox.api import Guarantee, Limits, Program, Running, Sandbox, Verdict, run

_log = logger.getChild("sandbox")

REFERENCE_S = 0.004
"""CPU seconds of the workload on the slowest machine that needs no more time than limits give.

A virtual core of an EPYC (Zen 4, 2.6 GHz) takes 0.0018 s in the image (Python 3.13), and on the host 0.0020 s
with Debian's Python 3.11 and 0.0025 s with one that was built without profiling. The rest is room for server
cores half as quick, so that all that is ordinary keeps its limits to the digit.
"""
LARGEST = 10.0
"""No machine is taken to be slower than this; beyond it something else is wrong."""
_STEP = 0.05
# No CPU limit: under one, the kernel keeps some clocks by its ticks only.
_LIMITS = Limits(wall_s=30.0)

WORKLOAD = """
import sys, time

def work():
    table, total = {}, 0
    for number in range(6000):
        key = number * 2654435761 % 65537
        table[key] = table.get(key, 0) + 1
        total += len(str(key)) + key % 7
    words = sorted(map(str, table))
    return total + sum(len(a) for a, b in zip(words, reversed(words)) if a < b)

def used():
    before = time.thread_time()
    work()
    return time.thread_time() - before

best = used()
while best > float(sys.argv[1]) and time.thread_time() < 0.3:
    best = min(best, used())
print(best)
"""
"""Calls, loops, integers, strings, a dict, a sort: what solutions do. Prints the best of many goes, for only
the machine makes all of them slow; the first that is as quick as the reference ends it."""


async def measure(sandbox: Sandbox, *, reference_s: float = REFERENCE_S) -> float:
    """Return the factor of the machine that ``sandbox``, an open one, runs on: 1 or more.

    Takes 0.01 s on an ordinary machine, 0.3 s of CPU on a slow one. Where nothing can be measured it is 1,
    with a warning.
    """
    try:
        program = Program(language="python", source=WORKLOAD, args=(str(reference_s),), limits=_LIMITS)
        result = await run(sandbox, program)
    except OpenCoderError as error:
        return _unknown(str(error))
    if result.verdict is Verdict.TIMEOUT:
        return LARGEST
    try:
        return factor_of(float(result.stdout), reference_s)
    except ValueError:
        return _unknown(f"{result.verdict} {result.detail}")


def _unknown(why: str) -> float:
    _log.warning("the speed of this machine could not be measured, limits stay as they are: %s", why)
    return 1.0


def factor_of(measured_s: float, reference_s: float) -> float:
    """Return how many times slower than the reference a machine is: from 1 to 10, in steps of 0.05."""
    steps = round(measured_s / reference_s / _STEP)
    return round(min(max(steps * _STEP, 1.0), LARGEST), 2)


def parse_factor(text: str) -> float | None:
    """Return the factor that ``--time-factor`` names, None for ``auto``.

    Raises:
        UserError: It is neither ``auto`` nor a number of at least 1.
    """
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1.0 <= value < math.inf:
        raise UserError(f"--time-factor is {text!r}; use auto or a number of at least 1")
    return value


def time_factor(sandbox: Sandbox) -> float:
    """Return by how much an open sandbox stretches the seconds of its programs' limits."""
    return float(getattr(sandbox, "time_factor", 1.0))


class TimedSandbox:
    """Another sandbox, whose programs get more time by a factor (see :class:`sandbox.api.Sandbox`).

    Args:
        inner: The other one.
        factor: The factor; None to measure it when the sandbox is opened.
        reference_s: What it is measured by (see :func:`measure`).

    Attributes:
        time_factor: The factor, once the sandbox is open.
    """

    def __init__(self, inner: Sandbox, factor: float | None, *, reference_s: float = REFERENCE_S) -> None:
        self._inner = inner
        self._asked = factor
        self._reference_s = reference_s
        self.time_factor = factor or 1.0
        self.name = inner.name
        self.guarantee: Guarantee = inner.guarantee
        self.image_digest = inner.image_digest

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        try:
            if self._asked is None:
                self.time_factor = await measure(self._inner, reference_s=self._reference_s)
            self._look()
        except BaseException as error:
            await self._inner.__aexit__(type(error), error, error.__traceback__)
            raise
        if self.time_factor > 1.0:
            _log.info("limits in seconds are stretched %g times", self.time_factor)
        return self

    def _look(self) -> None:
        """Take over what the other one says of itself, which may change when it starts anew."""
        self.guarantee, self.image_digest = self._inner.guarantee, self._inner.image_digest

    async def start(self, program: Program) -> Running:
        """Start ``program`` with its limits stretched."""
        running = await self._inner.start(replace(program, limits=program.limits.scaled(self.time_factor)))
        self._look()
        return running

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)
