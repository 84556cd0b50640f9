"""Recipes by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial

from opencoder.errors import UserError
from train.recipe import PRESETS, Preset, Recipe
from train.recipes import opencoder_1_5b, opencoder_8b, tiny
from train.recipes.anneal import anneal
from train.recipes.facts import Facts
from train.recipes.pretrain import pretrain
from train.recipes.sft import sft


def _family(facts: Facts) -> dict[str, Callable[[Preset], Recipe]]:
    return {
        facts.name: partial(pretrain, facts),
        f"{facts.name}-anneal": partial(anneal, facts),
        f"{facts.name}-sft1": partial(sft, facts, 1),
        f"{facts.name}-sft2": partial(sft, facts, 2),
    }


RECIPES: dict[str, Callable[[Preset], Recipe]] = {
    "tiny": tiny.tiny,
    "tiny-anneal": tiny.tiny_anneal,
    "tiny-sft1": partial(tiny.tiny_sft, 1),
    "tiny-sft2": partial(tiny.tiny_sft, 2),
    **_family(opencoder_1_5b.FACTS),
    **_family(opencoder_8b.FACTS),
}
"""Each takes a preset."""


def find_recipe(name: str, preset: str = "practical") -> Recipe:
    """Return a recipe.

    Args:
        name: As ``opencoder train recipes`` lists it.
        preset: ``paper``, ``released-checkpoint`` or ``practical``.

    Raises:
        UserError: There is no such recipe or preset.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(RECIPES)}"
        raise UserError(f"no recipe {name}; {hint}")
    for known in PRESETS:
        if known == preset:
            return RECIPES[name](known)
    raise UserError(f"no preset {preset}; there are: {', '.join(PRESETS)}")
