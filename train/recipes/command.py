"""``opencoder train recipes``: what can be trained, and where every figure comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.log import emit
from train.recipe import Preset, Recipe
from train.recipes.figures import rows_of, shown
from train.recipes.registry import RECIPES, find_recipe


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class RecipesOptions:
    """Options of the list of recipes."""

    preset: Preset = "practical"
    """Whose figures: the paper's, those of the released checkpoint, or what we would do."""


def recipes(
    name: Annotated[str, Parameter(name="NAME", help="One recipe, with the source of every figure.")] = "",
    *,
    options: RecipesOptions | None = None,
    common: Common | None = None,
) -> None:
    """List the recipes, or the figures of one with their sources and what they conflict in."""
    preset = (options or RecipesOptions()).preset
    as_json = bool(common and common.json)
    if name:
        recipe = find_recipe(name, preset)
        emit(_one(recipe), json=as_json, text=lambda: _table(recipe))
        return
    found = [find_recipe(each, preset) for each in RECIPES]
    rows = [
        {"name": recipe.name, "stage": recipe.stage, "params": recipe.shape.params, "about": recipe.about}
        for recipe in found
    ]
    text = "\n".join(f"{row['name']:22} {row['stage']:9} {row['about']}" for row in rows)
    emit({"preset": preset, "recipes": rows}, json=as_json, text=text)


def _one(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "preset": recipe.preset,
        "stage": recipe.stage,
        "about": recipe.about,
        "figures": rows_of(recipe),
        "conflicts": list(recipe.conflicts),
    }


def _table(recipe: Recipe) -> str:
    rows = [
        (row["name"], shown(row["value"], row["unit"]), _source(row), row["note"]) for row in rows_of(recipe)
    ]
    head = ("figure", "value", "source", "note")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row[:3], widths), row[3]]).rstrip() for row in [head, *rows]]
    conflicts = [f"conflict: {text}" for text in recipe.conflicts]
    return "\n".join([f"{recipe.title}: {recipe.about}", *lines, *conflicts])


def _source(row: dict[str, Any]) -> str:
    mark = " (secondary)" if row["kind"] == "secondary" else ""
    return f"{row['source']}{mark}"
