"""From options to a finished run: checks, the run folder, the manifest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opencoder.errors import GateError, InfraError, UserError
from opencoder.llm import open_model
from opencoder.llm.api import Model
from opencoder.llm.batch_files import BatchOptions
from opencoder.llm.prices import Price, parse_price
from opencoder.log import progress
from opencoder.records import Message
from opencoder.runs import Run
from opencoder.store import write_json
from synth.engine.estimate import Estimate, estimate
from synth.engine.items import count_items
from synth.engine.run import JOURNAL, Plan, State, synthesize
from synth.engine.seeds import digest_of
from synth.options import AskingOptions, RunOptions
from synth.ordered import LEDGER, REJECTS, ROWS
from synth.recipe.recipe import Recipe, read_recipe
from synth.stages.base import Item, Shower, Stage
from synth.stages.registry import make_stages
from synth.verify.limits import SIDE_BY_SIDE

MANIFEST = "manifest.json"
BATCHES = "batches"
IN_FLIGHT, IN_A_BATCH = 32, 5000
API_STORE, API_SEEDS = "store.json", "seeds.jsonl"


def price_of(recipe_name: str, options: RunOptions) -> Estimate:
    """Estimate a run; nothing is asked and nothing is written.

    Raises:
        UserError: An option, the recipe or a seed is wrong.
    """
    recipe, stages, price = _read(recipe_name, options)
    sources = _sources(options)
    count, chars = count_items(recipe, sources, num_samples=options.n, limit=options.limit)
    return estimate(recipe, stages, num_items=count, seed_chars=chars, price=price)


def start(
    recipe_name: str, options: RunOptions, asking: AskingOptions, show: Shower | None
) -> dict[str, Any]:
    """Run a recipe and return the manifest.

    Raises:
        UserError: An option, the recipe or a seed is wrong, or no request can work.
        DependencyError: Model, sandbox or a package cannot be had.
        InfraError: The model or the sandbox is down; what was done is kept.
        Interrupted: The user stopped it; what was done is kept.
    """
    recipe, stages, price = _read(recipe_name, options)
    if not options.model:
        raise UserError("no model; give --model openai/NAME with --base-url, vllm/ID_OR_PATH or replay:DIR")
    for flag, value in (("--concurrency", asking.concurrency), ("--workers", asking.workers)):
        if value is not None and value < 1:
            raise UserError(f"{flag} is {value}; give at least 1")
    is_batch = options.model.startswith("batch/")
    concurrency = asking.concurrency or (IN_A_BATCH if is_batch else IN_FLIGHT)
    sources = _sources(options)
    count, _ = count_items(recipe, sources, num_samples=options.n, limit=options.limit)
    plan = Plan(
        recipe=recipe,
        stages=stages,
        sources=sources,
        folder=options.out,
        num_items=count,
        num_samples=options.n,
        seed=options.seed,
        limit=options.limit,
        concurrency=concurrency,
        workers=asking.workers or SIDE_BY_SIDE * len(os.sched_getaffinity(0)),
        backend=asking.backend,
        unsafe=asking.allow_unsafe,
        price=price,
        settings=_settings(options),
        show=show,
    )
    model = open_model(
        options.model,
        base_url=asking.base_url,
        api_key=asking.api_key,
        concurrency=concurrency,
        timeout_s=asking.timeout_s,
        retries=asking.retries,
        patience_s=asking.patience_s,
        style="chat",
        batch=BatchOptions(folder=options.out / BATCHES) if is_batch else None,
    )
    return asyncio.run(_run(plan, model, options))


def check_ending(manifest: dict[str, Any], options: RunOptions) -> None:
    """Turn what is left over into an exit code.

    Raises:
        InfraError: Too many rows are pending.
        GateError: ``--strict`` and there are rejects.
    """
    counts = manifest["counts"]
    if counts["pending"] > options.max_infra_errors:
        raise InfraError(
            f"{counts['pending']} rows are pending after faults of a service; "
            "run the same command again to go on"
        )
    if options.strict and counts["rejects"]:
        raise GateError(
            f"{counts['rejects']} rows were rejected, see {options.out / REJECTS}; --strict allows none"
        )


async def _run(plan: Plan, model: Model, options: RunOptions) -> dict[str, Any]:
    digests = [(path.name, digest_of(path)) for path in plan.sources]
    identity = {
        "recipe": plan.recipe.file.name,
        "recipe_sha256": plan.recipe.sha256,
        "seeds_sha256": [digest for _, digest in digests],
        "model": model.name,
        "n": plan.num_samples,
        "seed": plan.seed,
        "price": options.price,
        **plan.settings,
    }
    state = State()
    with Run.open(plan.folder, command="synth run", config=identity, resume=options.resume) as run:
        run.manifest.model, run.manifest.seeds["run"] = model.name, plan.seed
        for name in (ROWS, REJECTS, LEDGER, MANIFEST):
            run.path(name)
        run.save()
        try:
            with progress(f"{plan.recipe.file.name} with {model.name}", plan.num_items) as shown:
                await synthesize(plan, model, shown, state)
        finally:
            manifest = _manifest(plan, model, state, digests)
            run.manifest.counts = manifest["counts"]
            write_json(plan.folder / MANIFEST, manifest)
            await model.aclose()
    return manifest


def _read(recipe_name: str, options: RunOptions) -> tuple[Recipe, list[Stage], Price | None]:
    if options.n < 1 or (options.limit is not None and options.limit < 1):
        raise UserError("--n and --limit must be at least 1")
    recipe = read_recipe(recipe_name)
    stages = make_stages(recipe)
    return recipe, stages, parse_price(options.price) if options.price else None


def _settings(options: RunOptions) -> dict[str, str]:
    found: dict[str, str] = {"license_policy": options.license_policy}
    for name in ("scorer", "api"):
        value = getattr(options, name)
        if value is not None:
            found[name] = str(value)
    for path in options.seeds:
        if (path / API_STORE).is_file():
            found.setdefault("api", str(path))
    return found


def _manifest(plan: Plan, model: Model, state: State, digests: list[tuple[str, str]]) -> dict[str, Any]:
    """Return what there is to say of the data set; it holds no time, so a replay gives the same bytes."""
    file, account = plan.recipe.file, state.account
    done = account.rows + account.rejects
    total = max(plan.num_items, done)  # an earlier session may have gone further than this one's --limit
    about = {key: table for stage in plan.stages for key, table in stage.about().items()}
    return {
        "schema": "synth-manifest/1",
        "recipe": {
            "name": file.name,
            "version": file.version,
            "about": file.about,
            "sha256": plan.recipe.sha256,
            "prompts": plan.recipe.prompts,
        },
        "model": model.name,
        "sampling": {call.label: call.sampling for stage in plan.stages for call in stage.calls()},
        "seed": plan.seed,
        "counts": {
            "input": total,
            "rows": account.rows,
            "rejects": account.rejects,
            "pending": total - done,
        },
        **account.told(),
        **about,
        "sources": [{"path": name, "sha256": digest} for name, digest in digests],
        "settings": plan.settings,
        "journal": JOURNAL,
    }


def _sources(options: RunOptions) -> list[Path]:
    """Return the seeds; of a folder that ``opencoder synth api`` wrote, its seeds."""
    return [path / API_SEEDS if (path / API_STORE).is_file() else path for path in options.seeds]


class Show:
    """Prints every call whole, one at a time.

    Args:
        write: Takes a text.
    """

    def __init__(self, write: Any) -> None:
        self._write = write

    def __call__(self, item: Item, label: str, messages: Sequence[Message], answer: str) -> None:
        """Print a call."""
        turns = "\n".join(f"[{turn.role}]\n{turn.content}" for turn in messages)
        where = f"===== row {item.index}, {label}"
        self._write(f"\n{where}: prompt\n{turns}\n{where}: answer\n{answer}\n")
