"""``draw``: the task specification; one value of each table, by weight.

The draw is counter-based: it follows from the seed of the run, the id of the row and the name of the table,
so neither order nor concurrency changes it.
"""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import msgspec

from opencoder.errors import DataError
from synth.recipe.recipe import Recipe
from synth.stages.base import Item, Stage, Tools

_TAGS = ("difficulty", "task_type", "scenario", "style", "natural_language")
_UNIT = float(1 << 64)


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that can be drawn: its weight, and what prompts say of it (field ``NAME_text``)."""

    weight: float = 1.0
    text: str = ""


class Draw(Stage):
    """See the module. Options: tables, each a list of values or a mapping of values to weights.

    Args:
        label: Its name.
        options: The tables.
        recipe: For messages.
    """

    kind = "draw"
    free_form: ClassVar[bool] = True

    def __init__(self, label: str, options: dict[str, Any], recipe: Recipe) -> None:
        super().__init__(label, options, recipe)
        self._tables = {name: _table(name, values, label, recipe) for name, values in options.items()}

    def gives(self) -> frozenset[str]:
        """The names of the tables, and their texts."""
        return frozenset(self._tables) | {f"{name}_text" for name in self._tables}

    async def run(self, item: Item, tools: Tools) -> None:
        """Draw, and note it in the fields and tags."""
        for name, table in self._tables.items():
            value = pick(table, tools.seed, item.row.id, name)
            item.fields[name] = value
            item.fields[f"{name}_text"] = table[value].text or value
            if name == "language":
                item.row.language = value
            elif name in _TAGS:
                setattr(item.row.tags, name, value)


def pick(table: dict[str, Value], seed: int, row: str, name: str) -> str:
    """Return the value of a table that is drawn for a row."""
    digest = hashlib.sha256(msgspec.json.encode([seed, row, name])).digest()
    place = int.from_bytes(digest[:8], "big") / _UNIT * sum(value.weight for value in table.values())
    for key, value in table.items():
        place -= value.weight
        if place < 0:
            return key
    return next(reversed(table))


def _table(name: str, values: Any, label: str, recipe: Recipe) -> dict[str, Value]:
    where = f"{label}.{name}"
    if isinstance(values, list):
        values = dict.fromkeys(map(str, values), 1)
    if not isinstance(values, dict) or not values:
        raise DataError(f"{where}: needs a list of values, or values with weights", path=recipe.path)
    table = {}
    for key, value in values.items():
        try:
            given = {"weight": value} if isinstance(value, (int, float)) else value
            table[str(key)] = msgspec.convert(given, Value)
        except msgspec.ValidationError as error:
            raise DataError(f"{where}.{key}: {error}", path=recipe.path) from error
    if any(value.weight < 0 for value in table.values()) or not any(value.weight for value in table.values()):
        raise DataError(f"{where}: weights must not be negative, and not all 0", path=recipe.path)
    return table
