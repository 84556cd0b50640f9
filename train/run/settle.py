"""From a recipe and what was asked for to the spec of a run on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opencoder.errors import DependencyError, UserError
from opencoder.store import read_json
from train.origin import Origin
from train.overrides import Overrides
from train.recipe import Recipe
from train.recipes.registry import find_recipe
from train.resolve import resolve
from train.run.folder import newest
from train.run.options import RunOptions
from train.run.prepare import Prepared, prepare
from train.shape import Shape
from train.spec import SPEC, RunSpec, Start, read_spec
from train.steps import phase_of
from train.tokens.format import SHARDS, Manifest

if TYPE_CHECKING:
    from train.plan.gpus import Gpu

GIB = 1 << 30


def settle(recipe_name: str, options: RunOptions, folder: Path) -> RunSpec:
    """Have the data ready and return the spec.

    Args:
        recipe_name: Name of the recipe.
        options: What was asked for.
        folder: The run folder, absolute.

    Raises:
        UserError: Something is missing or does not fit together.
        DataError: A source cannot be read.
        DependencyError: There is no GPU.
    """
    recipe = find_recipe(recipe_name, options.preset)
    prepared = prepare(recipe, options, folder)
    spec = spec_of(recipe, options, prepared)
    # Where a run began does not move, though the run that it started from may have gone on.
    if (folder / SPEC).exists() and newest(folder) is not None:
        return msgspec.structs.replace(spec, start=_began(read_spec(folder), spec))
    return spec


def spec_of(recipe: Recipe, options: RunOptions, prepared: Prepared) -> RunSpec:
    """Return the spec of a recipe whose data is ready, or planned.

    Raises:
        UserError: The ranks cannot share the batch, a GPU cannot hold its share, or the model is another one
            than that of ``--start``.
        DependencyError: There is no GPU.
    """
    on_gpu = (options.device or recipe.compute.device) == "cuda"
    gpu, found = _gpus() if on_gpu else (None, 1)
    overrides = Overrides(
        steps=options.steps,
        micro=options.micro,
        compile=options.compile,
        checkpoint_every=options.checkpoint_every,
        seed=options.seed,
        vocab=_vocab(recipe, prepared),
    )
    spec = resolve(
        recipe,
        sources=prepared.sources,
        tokenizer=prepared.tokenizer,
        ranks=options.nproc or found,
        gpu=gpu,
        start=prepared.origin.start if prepared.origin else None,
        per_epoch=_per_epoch(recipe, options, prepared, overrides),
        phase=options.phase,
        overrides=overrides,
    )
    if prepared.origin is not None:
        _check_shape(spec.shape, prepared.origin, options)
    kept = spec.checkpoints.keep_last if options.keep_last is None else options.keep_last
    return msgspec.structs.replace(
        spec,
        checkpoints=msgspec.structs.replace(
            spec.checkpoints, keep_last=kept, every=_every(spec.checkpoints.every, options.eval_every)
        ),
        log_every=options.log_every or spec.log_every,
        sinks=list(options.sink),
    )


def _every(every: int, eval_every: int) -> int:
    """Return the steps between checkpoints: what was planned, or less, so that one is there to be scored."""
    if not eval_every:
        return every
    return next(steps for steps in range(min(every, eval_every), 0, -1) if eval_every % steps == 0)


def _began(before: RunSpec, now: RunSpec) -> Start:
    return before.start if before.start.kind == now.start.kind else now.start


def _gpus() -> tuple[Gpu, int]:
    """Return the kind of GPU of this machine, and how many can be used."""
    import torch

    from train.plan.gpus import GPUS

    if not torch.cuda.is_available():
        raise DependencyError(
            "this recipe runs on GPUs and none can be used; --device cpu runs it on CPUs", repair="nvidia-smi"
        )
    properties = torch.cuda.get_device_properties(0)
    title: str = properties.name
    known = next((gpu for name, gpu in GPUS.items() if name in title.lower()), GPUS["h100"])
    memory: int = properties.total_memory
    return replace(known, title=title, memory_gib=memory / GIB), torch.cuda.device_count()


def _vocab(recipe: Recipe, prepared: Prepared) -> int | None:
    """Return the rows of the embedding: those of the weights, or of a tiny model whatever its tokens need."""
    if prepared.origin is not None:
        return prepared.origin.shape.vocab
    if not recipe.name.startswith("tiny"):
        return None
    shards = [Path(source.folder) / SHARDS for source in prepared.sources]
    needs = [read_json(path, Manifest).tokenizer.vocab for path in shards if path.is_file()]
    return max([recipe.shape.vocab, *needs])


def _check_shape(shape: Shape, origin: Origin, options: RunOptions) -> None:
    mine, theirs = msgspec.structs.asdict(shape), msgspec.structs.asdict(origin.shape)
    other = [f"{name} {theirs[name]} (not {mine[name]})" for name in mine if mine[name] != theirs[name]]
    if other:
        raise UserError(f"--start {options.start} holds another model than this recipe's: {', '.join(other)}")


def _per_epoch(recipe: Recipe, options: RunOptions, prepared: Prepared, overrides: Overrides) -> float | None:
    """Count the sequences of one pass over dialogues; ``None`` for lengths in tokens, or data to be made."""
    shards = [Path(source.folder) / SHARDS for source in prepared.sources]
    if recipe.stage != "sft" or not all(path.is_file() for path in shards):
        return None
    from train.data import open_sequences
    from train.spec import Data

    data = Data(sources=prepared.sources, form=recipe.data.form, seed=options.seed)
    seq_len = overrides.batch(recipe, phase_of(recipe, options.phase)).seq_len
    return open_sequences(data, seq_len, overrides.shape(recipe).vocab).per_epoch
