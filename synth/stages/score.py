"""``score``: the local scorer's mark for the seed, and the least that is taken."""

from __future__ import annotations

from typing import Any, ClassVar

from synth.recipe.recipe import Recipe
from synth.scorer.scorer import HEURISTIC, Scorer, open_scorer
from synth.stages.base import Dropped, Item, Options, Stage, Tools


class ScoreOptions(Options, frozen=True, kw_only=True):
    """Options of ``score``.

    Attributes:
        at_least: Seeds with a lower mark (of 5) end here.
        keep: With a trained scorer, the share of the best seeds that is kept instead.
        name: Of the score on the row.
    """

    at_least: float = 0.0
    keep: float | None = None
    name: str = "educational"


class Score(Stage):
    """See the module. The scorer is that of ``--scorer``, else the built-in rules for Python."""

    kind = "score"
    Options: ClassVar[type[Options]] = ScoreOptions
    options: ScoreOptions

    def __init__(self, label: str, options: ScoreOptions, recipe: Recipe) -> None:
        super().__init__(label, options, recipe)
        self._scorer: Scorer | None = None
        self._least = options.at_least

    async def open(self, tools: Tools) -> None:
        """Load the scorer."""
        spec = tools.settings.get("scorer", HEURISTIC)
        self._scorer = open_scorer(spec)
        if self.options.keep is not None and spec != HEURISTIC:
            self._least = self._scorer.threshold(self.options.keep)

    def about(self) -> dict[str, Any]:
        """Return which scorer it was, and the least mark."""
        if self._scorer is None:
            return {}
        return {"scorer": {"name": self._scorer.name, "sha256": self._scorer.sha256, "at_least": self._least}}

    async def run(self, item: Item, tools: Tools) -> None:
        """Score the seed, and drop the row where it is too low."""
        del tools
        if self._scorer is None:
            raise RuntimeError("the stage is not open")
        mark = round(self._scorer.score([item.fields["seed"]])[0], 4)
        item.row.scores[self.options.name] = mark
        if mark < self._least:
            raise Dropped("low_score", f"the seed's mark is {mark:.2f}, at least {self._least:.2f} is taken")
