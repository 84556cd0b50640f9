"""``opencoder train run``: train a recipe, or go on with it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import needs
from opencoder.log import emit
from train.run.options import RunOptions

NEEDED = ("numpy", "pyarrow", "safetensors", "tokenizers", "torch", "torchtitan")


def run(
    recipe: Annotated[str, Parameter(name="RECIPE", help="As opencoder train recipes lists it.")],
    *,
    options: RunOptions,
    common: Common | None = None,
) -> None:
    """Train a recipe on this machine; the same command goes on with a run that was stopped."""
    as_json = common is not None and common.json
    with needs(NEEDED, "train"):
        from train.run import start

        if options.dry_run:
            from train.run.dry import dry_lines, dry_run

            planned = dry_run(recipe, options)
            emit(planned, json=as_json, text=lambda: "\n".join(dry_lines(planned)))
            return
        ended = start.start(recipe, options)
    emit(ended, json=as_json, text=lambda: "\n".join(start.ended_lines(ended)))
