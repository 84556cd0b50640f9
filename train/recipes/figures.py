"""Figures that follow from a shape or an optimiser, and tables of figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from train.recipe import Figure, Origin, Recipe
from train.recipes import facts as shared
from train.recipes.origins import COMPUTED, CONFIG
from train.shape import Shape
from train.spec import Optimizer

AnyFigure: TypeAlias = Figure[int] | Figure[float] | Figure[str]


def shape_figures(shape: Shape, origin: Origin = CONFIG) -> dict[str, AnyFigure]:
    """Return the figures of a model."""
    return {
        "layers": Figure(shape.layers, "", origin),
        "hidden": Figure(shape.hidden, "", origin),
        "FFN": Figure(shape.ffn, "", origin),
        "heads": Figure(shape.heads, "", origin),
        "KV heads": Figure(shape.kv_heads, "", origin),
        "vocabulary": Figure(shape.vocab, "", origin),
        "positions": Figure(shape.max_positions, "", origin),
        "rope theta": Figure(shape.rope_theta, "", origin),
        "parameters": Figure(shape.params, "", COMPUTED),
    }


def optimizer_figures(
    optimizer: Optimizer, found: Mapping[str, AnyFigure] | None = None
) -> dict[str, AnyFigure]:
    """Return the figures of AdamW.

    Args:
        optimizer: What is used.
        found: Figures by name that have other sources than pretraining's.
    """
    usual: dict[str, AnyFigure] = {
        "AdamW beta 1": shared.BETA1,
        "AdamW beta 2": shared.BETA2,
        "weight decay": shared.WEIGHT_DECAY,
        "gradient norm": shared.MAX_NORM,
    }
    return usual | dict(found or {})


def rows_of(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the figures of a recipe as rows: name, value, unit, source, kind of source, note."""
    return [
        {
            "name": name,
            "value": figure.value,
            "unit": figure.unit,
            "source": figure.origin.text,
            "kind": figure.origin.kind,
            "note": figure.note,
        }
        for name, figure in recipe.figures.items()
    ]


def shown(value: float | str, unit: str = "") -> str:
    """Return a value as people read it: large numbers with commas, small ones in powers of ten."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, int):
        text = f"{value:,}"
    elif value and abs(value) < 1e-3:
        text = f"{value:.0e}".replace("e-0", "e-")
    else:
        text = f"{value:,.10g}"
    return f"{text} {unit}".strip()
