"""``decontaminate``: a row that overlaps with a benchmark ends here, before more is paid for it."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Literal

from synth.decontam.detector import Detector, Match
from synth.decontam.references import load_references
from synth.recipe.recipe import Recipe
from synth.stages.base import Dropped, Item, Options, Stage, Tools


class DecontaminateOptions(Options, frozen=True, kw_only=True):
    """Options of ``decontaminate``.

    Attributes:
        of: ``instruction``: the question alone, before there is an answer; ``row``: everything.
        mode: The rules (see ``synth.decontam.detector``).
    """

    of: Literal["instruction", "row"] = "row"
    mode: Literal["default", "paper"] = "default"


class Decontaminate(Stage):
    """See the module. The benchmarks are those of the evaluation registry whose data is at hand."""

    kind = "decontaminate"
    Options: ClassVar[type[Options]] = DecontaminateOptions
    options: DecontaminateOptions

    _shared: ClassVar[dict[str, tuple[Detector, dict[str, int]]]] = {}

    def __init__(self, label: str, options: DecontaminateOptions, recipe: Recipe) -> None:
        super().__init__(label, options, recipe)
        self._detector: Detector
        self._held_out: dict[str, int] = {}

    @classmethod
    def labelled(cls, options: DecontaminateOptions) -> str:
        """Return ``decontaminate`` and of what."""
        return f"decontaminate:{options.of}"

    async def open(self, tools: Tools) -> None:
        """Read the benchmarks, once for all stages of this kind."""
        del tools
        mode = self.options.mode
        if mode not in self._shared:
            references = load_references()
            counts = Counter(reference.benchmark for reference in references)
            self._shared[mode] = Detector(references, mode), dict(sorted(counts.items()))
        self._detector, self._held_out = self._shared[mode]

    def about(self) -> dict[str, Any]:
        """Return the mode, and the tasks of each benchmark that rows were held against."""
        return {"decontamination": {"mode": self.options.mode, **self._held_out}}

    async def run(self, item: Item, tools: Tools) -> None:
        """Look for overlaps."""
        del tools
        if self.options.of == "instruction":
            found = self._detector.find_texts([item.row.instruction])
        else:
            found = self._detector.find(item.row)
        matches = [match for match in found if match.tier == "contaminated"]
        if matches:
            item.row.flags.contaminated = sorted({_task(match) for match in matches})
            first = matches[0]
            raise Dropped("contaminated", f"{_task(first)} by {first.rule}: {first.text!r}")


def _task(match: Match) -> str:
    return f"{match.benchmark}/{match.task_id}"
