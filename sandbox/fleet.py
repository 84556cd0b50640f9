"""Many units as one: rows go where a slot is free, and elsewhere when a unit fails.

A unit is whatever runs rows with a sandbox of its own: a service (``sandbox.service.client``) or an actor
(``sandbox.ray_fleet``). A row is run again only where nothing of it can count twice: its result is what one
unit answered in full. A lost connection, a full queue or a fault of a sandbox says nothing about the program.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import msgspec

from opencoder.errors import DependencyError
from opencoder.log import logger
from sandbox.api import Verdict
from sandbox.rows import BatchRow, OutRow

_LOG = logger.getChild("sandbox")
_TRIES = 5
_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 30.0
# So long may all units be sick before rows are given up.
_PATIENCE_S = 60.0
# What a unit may take beside the limits of a row: its queue, its retries, the way.
_SLACK_S = 120.0


class FailedError(Exception):
    """This unit did not do it; another one may."""


class FullError(Exception):
    """This unit has no room; it is well.

    Args:
        wait_s: How long to leave it alone, in seconds.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"full for {wait_s} s")
        self.wait_s = wait_s


class Unit(Protocol):
    """One place that runs rows, and the way to reach it."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    async def health(self) -> int:
        """Return how many rows it takes side by side, at least 1; starts it where that is ours to do.

        Raises:
            FailedError: It is not well.
        """
        ...

    async def run(self, row: BatchRow) -> OutRow:
        """Return its whole answer to ``row``.

        Raises:
            FailedError: There is none.
            FullError: It has no room now.
            UserError: It refuses such a row, as any other unit would.
        """
        ...

    async def aclose(self) -> None:
        """Let go of it; never raises."""
        ...


def longest_s(row: BatchRow, time_factor: float) -> float:
    """Return after how many seconds without an answer to ``row`` a unit counts as failed."""
    limits = row.limits.limits().scaled(time_factor)
    return limits.wall_s * 3 + limits.compile_wall_s + _SLACK_S


def read_answer(data: bytes, row: BatchRow) -> OutRow:
    """Return what a unit says of ``row``.

    Raises:
        FailedError: It is no whole answer, or one to another row.
    """
    try:
        out = msgspec.json.decode(data, type=OutRow)
    except msgspec.DecodeError as error:
        raise FailedError(f"no whole answer: {error}") from None
    if out.id != row.id:
        raise FailedError(f"an answer for row {out.id!r}")
    return out


@dataclass(slots=True, eq=False)
class Member:
    """A unit of a fleet. ``slots`` is what it said; ``used`` what we have under way there."""

    unit: Unit
    slots: int = 0
    used: int = 0
    away_until: float = 0.0
    backoff_s: float = _FIRST_BACKOFF_S
    failures: int = 0
    served: int = 0
    error: str = "never asked"

    @property
    def free(self) -> int:
        """Slots for one more of ours."""
        return self.slots - self.used if time.monotonic() >= self.away_until else 0


class Fleet:
    """Runs rows on units. Use it as an async context manager; leaving it lets go of all units.

    Args:
        units: What to run rows on.
        kind: What a unit is called, as ``endpoint``.
        repair: The command to run when none answers.
    """

    def __init__(self, units: Sequence[Unit], *, kind: str, repair: str) -> None:
        self.members = [Member(unit) for unit in units]
        self._kind = kind
        self._repair = repair
        self._moved = asyncio.Condition()
        self._probes: dict[Member, asyncio.Task[None]] = {}

    @property
    def slots(self) -> int:
        """How many rows are worth having under way."""
        return sum(member.slots for member in self.members)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(self._ask(member) for member in self.members))
            if not self.slots:
                said = "; ".join(f"{member.unit.name}: {member.error}" for member in self.members)
                raise DependencyError(f"no {self._kind} answers: {said}", repair=self._repair)
        except BaseException:
            await self._close_units()
            raise
        for member in self.members:
            if not member.slots:
                self._leave(member, member.error)
        return self

    async def run_row(self, row: BatchRow) -> OutRow:
        """Return what became of ``row``; ``sandbox_error`` when no unit could tell."""
        faults: list[str] = []
        while len(faults) < _TRIES:
            member = await self._take()
            if member is None:
                faults.append(f"no {self._kind} for {_PATIENCE_S:.0f} s")
                break
            try:
                out = await member.unit.run(row)
            except FullError as error:
                member.away_until = time.monotonic() + error.wait_s
                continue
            except FailedError as error:
                self._leave(member, str(error))
                faults.append(f"{member.unit.name}: {error}")
                continue
            finally:
                member.used -= 1
                await self._wake()
            if out.verdict is not Verdict.SANDBOX_ERROR:
                member.served += 1
                return msgspec.structs.replace(out, attempts=out.attempts + len(faults))
            faults.append(f"{member.unit.name}: {out.detail}")
        return OutRow(
            id=row.id, verdict=Verdict.SANDBOX_ERROR, attempts=len(faults), detail="; ".join(faults)[-1000:]
        )

    async def _take(self) -> Member | None:
        """Wait for the unit with the most free slots and take one of them; None when all stay sick."""
        deadline = time.monotonic() + _PATIENCE_S
        async with self._moved:
            while True:
                best = max(self.members, key=lambda one: one.free / max(one.slots, 1))
                if best.free > 0:
                    best.used += 1
                    return best
                if any(one.slots for one in self.members):
                    deadline = time.monotonic() + _PATIENCE_S
                elif time.monotonic() > deadline:
                    return None
                try:
                    await asyncio.wait_for(self._moved.wait(), 0.25)
                except TimeoutError:
                    continue

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def _leave(self, member: Member, why: str) -> None:
        """Give nothing more to a sick unit until it answers again."""
        if member in self._probes:
            return
        _LOG.warning("%s %s is left out: %s", self._kind, member.unit.name, why)
        member.slots, member.error = 0, why
        member.failures += 1
        self._probes[member] = asyncio.create_task(self._probe(member))

    async def _probe(self, member: Member) -> None:
        while not member.slots:
            await asyncio.sleep(member.backoff_s)
            member.backoff_s = min(member.backoff_s * 2, _LONGEST_BACKOFF_S)
            await self._ask(member)
        _LOG.warning("%s %s is back", self._kind, member.unit.name)
        del self._probes[member]
        await self._wake()

    async def _ask(self, member: Member) -> None:
        try:
            member.slots = await member.unit.health()
        except FailedError as error:
            member.error = str(error)
        else:
            member.error, member.backoff_s = "", _FIRST_BACKOFF_S

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in list(self._probes.values()):
            task.cancel()
        await asyncio.gather(*self._probes.values(), return_exceptions=True)
        await self._close_units()

    async def _close_units(self) -> None:
        await asyncio.gather(*(member.unit.aclose() for member in self.members))
