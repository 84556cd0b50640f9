"""``--dry-run``: what a run would be, without starting or writing anything."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from train.recipes.registry import find_recipe
from train.run import prepare
from train.run.options import RunOptions, check
from train.run.preflight import Check, preflight
from train.run.settle import spec_of
from train.run.torchrun import launch
from train.spec import RunSpec, Source
from train.tokens.format import SHARDS

_OF_DATA = ("tokenizer", "data")


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was not started.

    Attributes:
        spec: What ``spec.json`` would hold.
        to_make: Files and folders that would be made first.
        checks: What was looked at; data that is still to be made is not.
        command: What would be started.
    """

    spec: RunSpec
    to_make: list[str]
    checks: list[Check]
    command: str


def dry_run(recipe_name: str, options: RunOptions) -> Planned:
    """Plan a run.

    Raises:
        UserError: Something is missing or does not fit together.
        DependencyError: There is no GPU.
    """
    check(options)
    recipe = find_recipe(recipe_name, options.preset)
    folder = options.out.resolve()
    origin = prepare.origin_of(recipe, options)
    parts = list(prepare.parts_of(recipe, options, folder))
    tokenizer = prepare.tokenizer_of(recipe, options, folder, origin, parts)
    places = [prepare.place_of(part, number, folder) for number, part in enumerate(parts)]
    sources = [
        Source(folder=str(place), weight=part.weight) for place, part in zip(places, parts, strict=True)
    ]
    spec = spec_of(recipe, options, prepare.Prepared(tokenizer, sources, origin))
    to_make = [
        path
        for path in (tokenizer / "tokenizer.json", *(place / SHARDS for place in places))
        if not path.exists()
    ]
    checks = [
        one
        for one in preflight(folder, spec)
        if not (to_make and one.name.partition(" ")[0] in _OF_DATA and not one.ok)
    ]
    return Planned(
        spec=spec,
        to_make=[str(path.parent) for path in to_make],
        checks=checks,
        command=launch(folder, spec.parallel.ranks).line,
    )


def dry_lines(planned: Planned) -> Sequence[str]:
    """Return what a dry run tells."""
    spec = planned.spec
    schedule, parallel, saved = spec.schedule, spec.parallel, spec.checkpoints
    return [
        f"{spec.name}: {spec.shape.params:,} parameters, {spec.steps:,} steps of "
        f"{spec.batch.tokens:,} tokens",
        f"learning rate: {schedule.peak:g}; {schedule.warmup_steps:,} steps of warm-up, "
        f"{schedule.stable_steps:,} stable, "
        f"{schedule.decay_steps:,} of decay ({schedule.decay}) to {schedule.floor:g}",
        f"ranks: {parallel.ranks} (replicate {parallel.replicate}, shard {parallel.shard}, "
        f"tensor {parallel.tensor}) on {spec.compute.device}",
        f"checkpoints: every {saved.every:,} steps, the newest {saved.keep_last} are kept",
        *(f"data: {source.folder} (weight {source.weight:g})" for source in spec.data.sources),
        *(f"to be made: {path}" for path in planned.to_make),
        *(f"{'ok   ' if one.ok else 'FAULT'} {one.name}: {one.detail}" for one in planned.checks),
        f"command: {planned.command}",
    ]
