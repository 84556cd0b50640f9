"""From seeds to the rows that set out: one for each seed and sample, numbered in the order of the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path

from synth.answers.take import joined
from synth.engine.seeds import SeedUnit, read_seeds
from synth.recipe.recipe import Recipe
from synth.record import Row, row_id
from synth.stages.base import Item


def make_items(
    recipe: Recipe, sources: Sequence[Path], *, num_samples: int, first: int = 0, limit: int | None = None
) -> Iterator[tuple[Item, SeedUnit]]:
    """Yield the rows that set out, each with its seed.

    Args:
        recipe: What seeds must be.
        sources: Files and folders.
        num_samples: Rows for each seed.
        first: Leave out those before this one.
        limit: Yield none from this one on.
    """
    index = 0
    for unit in read_seeds(sources, recipe.file.seeds):
        for sample in range(1 if unit.reason else num_samples):
            if limit is not None and index >= limit:
                return
            if index >= first:
                yield _item(index, unit, sample, recipe), unit
            index += 1


def count_items(
    recipe: Recipe, sources: Sequence[Path], *, num_samples: int, limit: int | None
) -> tuple[int, int]:
    """Return how many rows will set out, and the characters of their seeds together."""
    count = num_chars = 0
    for unit in read_seeds(sources, recipe.file.seeds):
        more = 1 if unit.reason else num_samples
        if limit is not None:
            more = min(more, limit - count)
        count += more
        num_chars += more * (len(unit.text) + len(unit.context))
        if count == limit:
            break
    return count, num_chars


def _item(index: int, unit: SeedUnit, sample: int, recipe: Recipe) -> Item:
    file = recipe.file
    row = deepcopy(unit.row) if unit.row is not None else Row()
    identity = [unit.source.sha256] if unit.source.sha256 else [unit.source.dataset, unit.source.path]
    row.id = row_id(file.name, file.version, identity, sample)
    row.language = row.language or unit.language
    row.tags.source_set = file.source_set
    row.tags.libraries = unit.libraries
    row.prov.recipe = f"{file.name}/{file.version}"
    row.prov.seeds = [unit.source]
    fields = {
        "seed": unit.text,
        "seed_context": unit.context,
        "seed_path": unit.source.path,
        "seed_name": unit.name,
        "language": row.language,
        "libraries": ", ".join(f"{one.name} {one.version}".strip() for one in unit.libraries),
        "instruction": row.instruction,
        "output": row.output,
        "code": row.code,
        "tests": joined(row.testcase),
        "entry_point": row.entry_point,
        "failure": "",
    }
    return Item(index=index, row=row, fields=fields)
