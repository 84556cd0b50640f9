"""``rate``: marks by the model after a rubric, as scores of the row."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from opencoder.llm.api import Choice, Sampling
from synth.answers.take import BadAnswer, take_json
from synth.recipe.recipe import Recipe
from synth.stages.asking import ask
from synth.stages.base import Call, Dropped, Item, Options, Stage, Tools
from synth.stages.draw import Value, pick


class RateOptions(Options, frozen=True, kw_only=True):
    """Options of ``rate``.

    Attributes:
        prompt: Name of the prompt; also the label of the stage.
        marks: Dimensions of the rubric, with the highest mark of each; the lowest is 0.
        at_least: Lower marks end the row.
        share: Of the rows that are rated; the others pass.
        max_tokens: Longest answer.
    """

    prompt: str
    marks: dict[str, int]
    at_least: dict[str, float] = msgspec.field(default_factory=dict)
    share: float = 1.0
    max_tokens: int = 400


class Rate(Stage):
    """See the module."""

    kind = "rate"
    Options: ClassVar[type[Options]] = RateOptions
    options: RateOptions

    def __init__(self, label: str, options: RateOptions, recipe: Recipe) -> None:
        super().__init__(label, options, recipe)
        self._template = recipe.prompt(options.prompt)
        self._sampling = Sampling(max_tokens=options.max_tokens)

    @classmethod
    def labelled(cls, options: RateOptions) -> str:
        """Return the name of the prompt."""
        return options.prompt

    def needs(self) -> frozenset[str]:
        """The fields of the prompt."""
        return self._template.names

    def calls(self) -> list[Call]:
        """One, for the share of the rows."""
        call = Call(
            label=self.label,
            template=self._template,
            sampling=self._sampling,
            typical_tokens=80,
            share=self.options.share,
        )
        return [call]

    async def run(self, item: Item, tools: Tools) -> None:
        """Ask for marks, note them, and drop the row where they are too low."""
        weights = {"yes": Value(weight=self.options.share), "no": Value(weight=1 - self.options.share)}
        if self.options.share < 1 and pick(weights, tools.seed, item.row.id, self.label) == "no":
            return
        marks = await ask(
            item,
            tools,
            label=self.label,
            template=self._template,
            sampling=self._sampling,
            read=self._read,
            schema=self._schema(),
        )
        item.row.scores.update(marks)
        for name, least in self.options.at_least.items():
            if marks[name] < least:
                raise Dropped("low_mark", f"{name} is {marks[name]:g}, at least {least:g} is asked for")

    def _read(self, choice: Choice) -> dict[str, float]:
        value = take_json(choice.text, choice.finish_reason)
        if not isinstance(value, dict):
            raise BadAnswer("json_broken", f"marks are no object but {type(value).__name__}")
        marks = {}
        for name, highest in self.options.marks.items():
            mark = value.get(name)
            if isinstance(mark, bool) or not isinstance(mark, (int, float)) or not 0 <= mark <= highest:
                raise BadAnswer("json_broken", f"`{name}` is no mark from 0 to {highest}: {mark!r}"[:200])
            marks[name] = float(mark)
        return marks

    def _schema(self) -> dict[str, object]:
        marks: dict[str, object] = {
            name: {"type": "integer", "minimum": 0, "maximum": highest}
            for name, highest in self.options.marks.items()
        }
        properties: dict[str, object] = {"reason": {"type": "string"}, **marks}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
