"""What ``--data`` says: folders and their shares of the mixture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from opencoder.errors import UserError
from train.recipe import Recipe
from train.spec import Source

FORMS = "FOLDER, FOLDER=WEIGHT, or PART=FOLDER for a part that the recipe weighs"


def sources_of(recipe: Recipe, texts: Sequence[str], *, here: bool) -> Iterator[Source]:
    """Read data as the command line gives it: ``FOLDER``, ``FOLDER=WEIGHT``, or ``PART=FOLDER``.

    A folder whose name has a ``=`` in it is taken whole where it is there; else ``=1`` behind it helps.

    Args:
        recipe: Its mixture says which parts there are and what they weigh.
        texts: One for each folder.
        here: The folders must be on this machine.

    Yields:
        Absolute folders and their weights.

    Raises:
        UserError: A part is unknown, a weight is not above 0, or a folder is missing.
    """
    for text in texts:
        folder, weight = _read(recipe, text)
        if here and not folder.exists():
            raise UserError(f"--data {text}: there is no {folder}; check the path")
        yield Source(folder=str(folder.resolve() if here else folder.absolute()), weight=weight)


def _read(recipe: Recipe, text: str) -> tuple[Path, float]:
    parts = dict(recipe.data.mixture)
    part, mark, rest = text.partition("=")
    if rest and part in parts:
        return Path(rest), parts[part]
    if not mark or Path(text).exists():
        return Path(text), 1.0
    folder, _, weight = text.rpartition("=")
    try:
        share = float(weight)
    except ValueError:
        if re.fullmatch(r"\w+", part):
            known = ", ".join(parts) or "none"
            raise UserError(f"--data {text}: {recipe.name} has no part {part} (parts: {known})") from None
        share = 0.0
    if not 0 < share < float("inf"):
        raise UserError(f"--data {text}: {weight!r} is no weight above 0; give {FORMS}")
    return Path(folder), share
