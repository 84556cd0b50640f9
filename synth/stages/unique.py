"""``unique``: a row that repeats an earlier one ends here, before more is paid for it."""

from __future__ import annotations

from typing import ClassVar, Literal

from opencoder.records import Message
from synth.near import NearIndex
from synth.recipe.recipe import Recipe
from synth.record import Row
from synth.safety.scan import apply
from synth.stages.base import Dropped, Item, Options, Stage, Tools

Of = Literal["seed", "instruction", "code"]


class UniqueOptions(Options, frozen=True, kw_only=True):
    """Options of ``unique``.

    Attributes:
        of: What must not repeat; seeds repeat by their bytes only.
        near: Least Jaccard similarity, by MinHash over word 3-grams, that counts as a repetition; 1 for
            equal words only.
    """

    of: Of = "instruction"
    near: float = 0.8


class Unique(Stage):
    """See the module. The first of its kind in the order of the input stays."""

    kind = "unique"
    ordered = True
    Options: ClassVar[type[Options]] = UniqueOptions
    options: UniqueOptions

    def __init__(self, label: str, options: UniqueOptions, recipe: Recipe) -> None:
        super().__init__(label, options, recipe)
        self._index = NearIndex(1.0 if options.of == "seed" else options.near)

    @classmethod
    def labelled(cls, options: UniqueOptions) -> str:
        """Return ``unique`` and of what."""
        return f"unique:{options.of}"

    async def run(self, item: Item, tools: Tools) -> None:
        """Look whether the text was there before, and remember it."""
        del tools
        earlier = self._index.add(self._text(item.row), item.row.id)
        if earlier is not None:
            item.row.flags.dup_of = earlier
            raise Dropped("duplicate", f"its {self.options.of} repeats row {earlier[:16]}")

    def recall(self, row: Row) -> None:
        """Remember a row of an earlier session."""
        self._index.add(self._text(row), row.id)

    def _text(self, row: Row) -> str:
        if self.options.of == "seed":
            return row.id  # it follows from the seed's bytes and the number of the sample
        # Without personal data, as what is written will be: an earlier session's rows are compared by that.
        if self.options.of == "instruction":
            return apply(Row(messages=[Message("user", row.instruction)])).instruction
        return apply(Row(code=row.code, language=row.language)).code
