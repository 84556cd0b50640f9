"""One benchmark from model to results, in a run folder."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eval import generate, pipeline, results
from eval.benchmarks.base import Benchmark, Dataset
from eval.pipeline import Unit
from eval.presets import Preset, find_preset
from eval.registry import find_benchmark
from eval.results import Results, Score
from eval.score import Scorer
from opencoder import __version__
from opencoder.errors import InfraError, UserError
from opencoder.llm.api import Model, Sampling, Style
from opencoder.llm.samples import SamplesModel
from opencoder.log import logger, progress
from opencoder.records import Completion, Outcome
from opencoder.runs import Run
from opencoder.store import write_json, write_jsonl
from sandbox.api import Sandbox
from sandbox.backends import open_backend
from sandbox.calibrate import time_factor


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is to be done with one benchmark.

    Args:
        benchmark: Its name.
        folder: The run folder.
        command: ``eval score`` or ``eval run``.
        preset: Name of the preset.
        extraction: Extraction rule in place of the preset's.
        sampling: How samples are drawn; stop sequences come from the benchmark.
        max_tokens: Longest answer; the preset's if None.
        seed: Seed of the run.
        limit: Score the first so many tasks only.
        backend: Sandbox backend, None for the best there is.
        unsafe: Allow a backend without a boundary.
        time_factor: How many times as long limits get (see ``sandbox.calibrate``); None to measure it.
        concurrency: Samples scored side by side; None for one per CPU.
        width: Tasks asked of the model side by side.
        resume: Go on with what is in the folder.
        settings: The settings of the command, for the run's record.
        labels: The caller's notes for the manifest; they decide nothing.
    """

    benchmark: str
    folder: Path
    command: str
    preset: str = "default"
    extraction: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    seed: int | None = None
    limit: int | None = None
    backend: str | None = None
    unsafe: bool = False
    time_factor: float | None = None
    concurrency: int | None = None
    width: int = 32
    resume: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """Samples scored side by side."""
        return self.concurrency or len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class _Job:
    plan: Plan
    benchmark: Benchmark
    dataset: Dataset
    preset: Preset
    model: Model


async def evaluate(plan: Plan, model: Model) -> Results:
    """Get the samples of one benchmark and score them.

    Raises:
        UserError: A name, a setting or an input file is wrong (``DataError`` for files).
        DependencyError: Data, sandbox or model cannot be had.
        InfraError: The model failed for good; finished samples are kept.
    """
    began = time.monotonic()
    benchmark = find_benchmark(plan.benchmark)
    preset = find_preset(plan.preset, plan.benchmark)
    if plan.extraction is not None:
        preset = replace(preset, extraction=plan.extraction)
    if plan.max_tokens is not None:
        preset = replace(preset, max_tokens=plan.max_tokens)
    dataset = benchmark.load(preset)
    job = _Job(plan, benchmark, dataset, preset, model)
    ready = _read_samples(job) if isinstance(model, SamplesModel) else None
    identity = {"dataset_sha256": dataset.sha256, "model_revision": model.revision}
    config = {**plan.settings, "benchmark": plan.benchmark, **identity}
    with Run.open(plan.folder, command=plan.command, config=config, resume=plan.resume) as run:
        run.manifest.model, run.manifest.model_revision = model.name, model.revision
        run.manifest.datasets[plan.benchmark] = dataset.sha256
        run.manifest.labels.update(plan.labels)
        if plan.seed is not None:
            run.manifest.seeds["run"] = plan.seed
        run.save()
        rows = await _generate(job, run) if ready is None else ready
        async with _open_sandbox(plan) as sandbox:
            run.manifest.time_factor = time_factor(sandbox)
            run.save()
            outcomes = await _score(job, run, rows, sandbox)
            out = _results(job, outcomes, sandbox, round(time.monotonic() - began, 2))
        write_jsonl(run.path("samples.jsonl"), generate.solutions(rows))
        write_json(run.path("results.json"), out)
    return out


def _read_samples(job: _Job) -> list[Completion]:
    """Read the file before anything is started, so that a broken row costs nothing."""
    if not isinstance(job.model, SamplesModel):
        raise TypeError(job.model)
    rows = generate.completions_of(job.model, job.benchmark, job.dataset, job.preset, job.plan.limit)
    order = {task.task_id: index for index, task in enumerate(job.dataset.tasks)}
    return sorted(rows, key=lambda row: (order[row.task_id], row.sample_id))


@asynccontextmanager
async def _open_sandbox(plan: Plan) -> AsyncIterator[Sandbox]:
    async with open_backend(
        plan.backend, concurrency=plan.workers, unsafe=plan.unsafe, time_factor=plan.time_factor
    ) as sandbox:
        logger.info("sandbox: %s (%s)", sandbox.name, sandbox.guarantee)
        yield sandbox


async def _generate(job: _Job, run: Run) -> list[Completion]:
    """Ask the model for what the run folder lacks."""
    plan = job.plan
    style: Style = await job.model.style()
    table = run.table("completions", Completion, key=generate.key_of)
    tasks = job.dataset.tasks[: plan.limit]
    maker = generate.Generator(job.model, style, job.benchmark, job.preset, plan.sampling, seed=plan.seed)
    label = f"asking {job.model.name} for {plan.benchmark}"
    with progress(label, len(tasks) * plan.sampling.n, already=len(table)) as shown:
        try:
            await maker.fill(tasks, table, shown, plan.width)
        except* InfraError as group:
            raise InfraError(
                f"{group.exceptions[0]}; {len(table)} samples are kept; to go on: {run.resume_command}"
            ) from None
    order = {task.task_id: index for index, task in enumerate(job.dataset.tasks)}
    wanted = {task.task_id for task in tasks}
    rows = table.finish(lambda row: (order[row.task_id], row.sample_id))
    return [row for row in rows if row.task_id in wanted]


async def _score(job: _Job, run: Run, rows: Sequence[Completion], sandbox: Sandbox) -> list[Outcome]:
    plan = job.plan
    table = run.table(
        "outcomes", Outcome, key=pipeline.key_of, status=lambda row: row.status, redo=pipeline.REDONE
    )
    scorer = Scorer(sandbox, job.benchmark, job.dataset, job.preset)
    order = {task.task_id: index for index, task in enumerate(job.dataset.tasks)}
    units = (Unit(job.dataset.task(row.task_id), row) for row in rows)
    with progress(f"scoring {plan.benchmark}", len(rows), already=len(table)) as shown:
        await pipeline.score_all(scorer, units, table, shown, concurrency=plan.workers)
    wanted = {generate.key_of(row) for row in rows}
    finished = table.finish(lambda row: (order[row.task_id], row.sample_id))
    return [row for row in finished if pipeline.key_of(row) in wanted]


def _results(job: _Job, outcomes: Sequence[Outcome], sandbox: Sandbox, wall_s: float) -> Results:
    total = results.score(outcomes, lambda row: row.status)
    base: Score | None = None
    if any(row.base_status is not None for row in outcomes):
        base = results.score(outcomes, lambda row: row.base_status or row.status)
    counts = results.status_counts(outcomes)
    return Results(
        benchmark=job.plan.benchmark,
        version=job.dataset.version,
        dataset_sha256=job.dataset.sha256,
        dataset_origin=job.dataset.origin,
        preset=job.preset.name,
        extraction=job.preset.extraction,
        model=job.model.name,
        model_revision=job.model.revision,
        **_fields(total),
        base=base,
        counts=counts,
        infra_errors=counts.get("infra_error", 0),
        skipped=counts.get("skipped", 0),
        backend=sandbox.name,
        guarantee=sandbox.guarantee,
        judge="tests" if base is None else "cases",
        image_digest=sandbox.image_digest,
        time_factor=time_factor(sandbox),
        tool_version=__version__,
        wall_s=wall_s,
    )


def _fields(total: Score) -> dict[str, Any]:
    return {name: getattr(total, name) for name in total.__struct_fields__}


def run_all(plans: Sequence[Plan], open_model: Callable[[], Model]) -> list[Results]:
    """Evaluate one model on several benchmarks, one after the other (see :func:`evaluate`)."""

    async def work() -> list[Results]:
        model = open_model()
        try:
            return [await evaluate(plan, model) for plan in plans]
        finally:
            await model.aclose()

    return asyncio.run(work())


def check_infra(rows: Sequence[Results], most: int) -> None:
    """Stop with exit code 3 when too many samples could not be judged.

    Raises:
        InfraError: More than ``most`` infrastructure errors.
    """
    errors = sum(row.infra_errors for row in rows)
    if errors > most:
        total = sum(row.num_samples for row in rows) + errors
        raise InfraError(
            f"{errors} of {total} samples could not be judged (see `detail` in outcomes.jsonl); "
            "run the same command again to judge only those"
        )


def benchmark_folder(out: Path, name: str, *, only: bool) -> Path:
    """Return the run folder of one benchmark: ``out`` itself, or a folder below it for one of several."""
    if only:
        return out
    safe = name.replace("/", "-")
    if safe in ("", ".", ".."):
        raise UserError(f"benchmark {name!r} cannot name a folder")
    return out / safe


def parse_labels(texts: Sequence[str]) -> dict[str, str]:
    """Read labels as the command line gives them: ``NAME=VALUE``.

    Raises:
        UserError: One is not of this form.
    """
    labels: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UserError(f"--label {text}: give NAME=VALUE")
        labels[name] = value
    return labels
