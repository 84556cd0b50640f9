"""``set``: make parts of the row, or new fields, out of fields."""

from __future__ import annotations

from typing import Any, ClassVar

from opencoder.errors import DataError
from opencoder.records import Message
from synth.answers.take import pieces_of
from synth.answers.tests import read_io_tests
from synth.recipe.recipe import Recipe
from synth.recipe.template import Template
from synth.record import Row
from synth.shapes import guess_entry_point
from synth.stages.asking import shown
from synth.stages.base import Item, Stage, Tools

PARTS = ("instruction", "output", "code", "tests", "io_tests", "test_setup", "entry_point")
"""Names that change the row; every other name is a field."""


class Set(Stage):
    """See the module; its options are names and templates, so they are checked here and not by a class.

    Args:
        label: Its name.
        options: Name and template of each text.
        recipe: For messages.
    """

    kind = "set"
    free_form: ClassVar[bool] = True

    def __init__(self, label: str, options: dict[str, Any], recipe: Recipe) -> None:
        super().__init__(label, options, recipe)
        for name, text in options.items():
            if not isinstance(text, str):
                raise DataError(f"{label}.{name}: needs a text, not {type(text).__name__}", path=recipe.path)
        self._texts = {name: Template(text, recipe.path) for name, text in options.items()}

    def needs(self) -> frozenset[str]:
        """The fields of the texts."""
        return frozenset(name for template in self._texts.values() for name in template.names)

    def gives(self) -> frozenset[str]:
        """The names that it sets."""
        return frozenset(self._texts)

    async def run(self, item: Item, tools: Tools) -> None:
        """Fill in the texts and put them in their places."""
        del tools
        before = dict(item.fields)
        for name, template in self._texts.items():
            joined = name in ("tests", "io_tests")
            fields = before if joined else {key: shown(text) for key, text in before.items()}
            text = template.render(fields)[-1].content
            item.fields[name] = text
            if name in PARTS:
                place(item.row, name, text)
        if {"code", "tests"} & self._texts.keys() and "entry_point" not in self._texts:
            item.row.entry_point = guess_entry_point(item.row.code, item.row.testcase)
            item.fields["entry_point"] = item.row.entry_point


def place(row: Row, name: str, text: str) -> None:
    """Put a text into its place in the row."""
    if name == "instruction":
        row.messages = _with_turn(row, "user", text)
    elif name == "output":
        row.messages = _with_turn(row, "assistant", text)
    elif name == "code":
        row.code = text.strip("\n") + "\n" if text.strip() else ""
    elif name == "tests":
        row.testcase = pieces_of(text)
    elif name == "io_tests":
        row.stdin_tests = read_io_tests(text) if text.strip() else []
    elif name == "test_setup":
        row.test_setup = text
    elif name == "entry_point":
        row.entry_point = text.strip().strip("`")


def _with_turn(row: Row, role: str, text: str) -> list[Message]:
    """Return the turns with the first question or the last answer replaced."""
    turns = list(row.messages)
    if role == "user":
        place = next((number for number, turn in enumerate(turns) if turn.role == "user"), None)
        if place is None:
            return [*turns, Message("user", text)]
        turns[place] = Message("user", text)
        return turns
    if turns and turns[-1].role == "assistant":
        turns.pop()
    return [*turns, Message("assistant", text)]
