"""A run of a recipe: every seed ends as a row, as a reject with its reason, or is still pending.

Nothing that was paid for is lost: answers go to the journal before they are used, and a run that is started
again takes them from there. Rows and rejects are written in the order of the input, so what comes out does
not depend on concurrency, on faults, or on how often the run was stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opencoder.errors import InfraError
from opencoder.llm.api import Model
from opencoder.llm.flow import each
from opencoder.llm.journal import Journal
from opencoder.llm.journaled import JournaledModel
from opencoder.llm.prices import Price
from opencoder.log import Progress
from opencoder.store import read_jsonl
from sandbox.api import Sandbox
from sandbox.backends import open_backend
from synth.engine.account import Account
from synth.engine.items import make_items
from synth.engine.seeds import SeedUnit
from synth.engine.turns import Turns, Window
from synth.ordered import LEDGER, REJECTS, ROWS, OrderedOutput
from synth.packages.site import packages_of
from synth.recipe.recipe import Recipe
from synth.record import Reject, Row
from synth.stages.base import Again, Dropped, Item, Shower, Stage, Tools

JOURNAL = "journal"

ROWS_PER_REQUEST = 4
"""Rows under way for each request in flight: some wait for their turn or for the sandbox."""

GIVE_UP_AFTER = 20
"""So many rows in a row that fail by a fault of a service end the run: the service is down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        recipe: The recipe.
        stages: Its stages, made.
        sources: Seeds.
        folder: Where rows, rejects and the journal go.
        num_items: Rows that will set out.
        num_samples: Rows for each seed.
        seed: Of the run.
        limit: Only the first so many rows.
        concurrency: Requests in flight.
        workers: Programs in the sandbox side by side.
        backend: Of the sandbox; None for the best there is.
        unsafe: Allow a backend without a boundary.
        price: Of tokens.
        settings: For stages, by name.
        show: Shows every call.
    """

    recipe: Recipe
    stages: list[Stage]
    sources: list[Path]
    folder: Path
    num_items: int
    num_samples: int = 1
    seed: int = 0
    limit: int | None = None
    concurrency: int = 32
    workers: int = 1
    backend: str | None = None
    unsafe: bool = False
    price: Price | None = None
    settings: dict[str, str] = field(default_factory=dict)
    show: Shower | None = None


@dataclass(kw_only=True, slots=True)
class State:
    """What a run has come to.

    Attributes:
        account: Sums over everything that is written.
        spent: What this session asked and what it took.
    """

    account: Account = field(default_factory=Account)
    spent: JournaledModel | None = None


async def synthesize(plan: Plan, model: Model, progress: Progress, state: State) -> None:
    """Run the recipe over all seeds that have no result yet.

    Args:
        plan: What is to be done.
        model: Who is asked; not closed here.
        progress: Advanced with every row.
        state: Kept up to date, also where this raises.

    Raises:
        UserError: No request can work, or a setting is wrong.
        DependencyError: Model, sandbox or a package cannot be had, or the disk is full.
        InfraError: The model or the sandbox is down; everything that was done is kept.
    """
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal(plan.folder / JOURNAL))
        journaled = JournaledModel(model, journal, reuse_stopped=True)
        output = stack.enter_context(OrderedOutput(plan.folder))
        tools = Tools(
            model=journaled,
            sandbox=_Lazy(plan, stack).entered,
            seed=plan.seed,
            price=plan.price,
            settings=plan.settings,
            show=plan.show,
            slots=asyncio.Semaphore(plan.workers),
        )
        state.spent = journaled
        for stage in plan.stages:
            await stage.open(tools)
        _recall(plan, state.account)
        progress.skip(output.done)
        run = _Run(plan, tools, output, progress, state)
        items = make_items(
            plan.recipe, plan.sources, num_samples=plan.num_samples, first=output.done, limit=plan.limit
        )
        await each(items, run.take, max(plan.workers, ROWS_PER_REQUEST * plan.concurrency))


class _Run:
    """The state of a run, and the way of one row through it."""

    def __init__(
        self, plan: Plan, tools: Tools, output: OrderedOutput, progress: Progress, state: State
    ) -> None:
        self._stages = plan.stages
        self._places = {stage.label: place for place, stage in enumerate(plan.stages)}
        self._turns = {place: Turns(output.done) for place, stage in enumerate(plan.stages) if stage.ordered}
        self._window = Window(16 * ROWS_PER_REQUEST * plan.concurrency, output.done)
        self._tools = tools
        self._output = output
        self._progress = progress
        self._state = state
        self._streak = 0

    async def take(self, entry: tuple[Item, SeedUnit]) -> None:
        """Bring one row to its end.

        Raises:
            InfraError: A service has failed for so many rows that it must be down.
        """
        item, unit = entry
        await self._window.enter(item.index)
        try:
            if unit.reason:
                item.stage = "seeds"
                raise Dropped(unit.reason, unit.detail)
            await self._through(item)
        except Dropped as dropped:
            self._end(item, dropped)
        except InfraError as error:
            self._leave(item, error)
        else:
            self._end(item, None)
        finally:
            for turns in self._turns.values():
                turns.pass_on(item.index)

    async def _through(self, item: Item) -> None:
        place = 0
        while place < len(self._stages):
            stage = self._stages[place]
            item.stage = stage.label
            try:
                await self._at(stage, place, item)
            except Again as again:
                item.tries[again.label] = item.tries.get(again.label, 0) + 1
                place = self._places[again.label]
                continue
            place += 1

    async def _at(self, stage: Stage, place: int, item: Item) -> None:
        turns = self._turns.get(place)
        if turns is None:
            await stage.run(item, self._tools)
            return
        await turns.wait(item.index)
        try:
            await stage.run(item, self._tools)
        finally:
            turns.pass_on(item.index)

    def _end(self, item: Item, dropped: Dropped | None) -> None:
        self._streak = 0
        account = self._state.account
        if dropped is None:
            account.add_row(item.row)
            self._output.put(item.index, "row", item.row)
        else:
            reject = Reject(
                id=item.row.id,
                stage=item.stage,
                reason=dropped.reason,
                detail=dropped.detail,
                row=item.row,
            )
            account.add_reject(reject)
            self._output.put(item.index, "reject", reject, dropped.reason)
        self._moved(dropped.reason if dropped else "rows")

    def _leave(self, item: Item, error: InfraError) -> None:
        """Leave a row pending: a fault of a service says nothing of it."""
        self._streak += 1
        if self._streak >= GIVE_UP_AFTER:
            raise error
        self._output.put(item.index, "pending", None, "infra_error")
        self._moved("pending")

    def _moved(self, status: str) -> None:
        self._window.move(self._output.done)
        self._progress.note = note_of(self._state)
        self._progress.advance(status=status)


class _Lazy:
    """A sandbox that is opened with the first use and closed with the stack."""

    def __init__(self, plan: Plan, stack: AsyncExitStack) -> None:
        self._plan = plan
        self._stack = stack
        self._lock = asyncio.Lock()
        self._sandbox: Sandbox | None = None

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Sandbox]:
        async with self._lock:
            if self._sandbox is None:
                opened = open_backend(
                    self._plan.backend,
                    concurrency=self._plan.workers,
                    unsafe=self._plan.unsafe,
                    time_factor=None,
                    packages=packages_of(self._plan.settings.get("api")),
                )
                self._sandbox = await self._stack.enter_async_context(opened)
        yield self._sandbox


def note_of(state: State) -> str:
    """Say what this session has asked and spent."""
    if state.spent is None:
        return ""
    usage, account = state.spent.usage, state.account
    parts = [f"{usage.asked} calls", f"{(account.tokens_in + account.tokens_out) / 1e6:.2f} M tokens"]
    if usage.replayed:
        parts.append(f"{usage.replayed} replayed")
    if account.dollars:
        parts.append(f"${account.dollars:.2f}")
    return ", ".join(parts)


def _recall(plan: Plan, account: Account) -> None:
    """Tell the account and the stages that go by order what earlier sessions wrote."""
    labels = [stage.label for stage in plan.stages]
    for record in _records(plan.folder):
        row = record.row if isinstance(record, Reject) else record
        reached = labels.index(record.stage) if isinstance(record, Reject) and record.stage in labels else -1
        for number, stage in enumerate(plan.stages):
            is_past = isinstance(record, Row) or number <= reached
            if stage.ordered and is_past:
                stage.recall(row)
        if isinstance(record, Reject):
            account.add_reject(record)
        else:
            account.add_row(record)


def _records(folder: Path) -> Iterator[Row | Reject]:
    """Yield what is written, in the order of the input."""
    rows = read_jsonl(folder / ROWS, Row)
    rejects = read_jsonl(folder / REJECTS, Reject)
    for kind, _ in read_jsonl(folder / LEDGER, tuple[str, str]):
        yield next(rows) if kind == "row" else next(rejects)
