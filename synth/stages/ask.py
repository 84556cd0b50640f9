"""``ask``: put a question to the model and take parts of its answer as fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from opencoder.llm.api import Choice, Sampling
from synth.answers.take import Kind, take
from synth.recipe.recipe import Recipe
from synth.stages.asking import ask
from synth.stages.base import Call, Dropped, Item, Options, Stage, Tools


class AskOptions(Options, frozen=True, kw_only=True):
    """Options of ``ask``.

    Attributes:
        prompt: Name of the prompt; also the label of the stage.
        take: Field and kind of each part of the answer (see ``synth.answers.take``).
        optional: Parts that may be missing.
        temperature: 0 is greedy.
        top_p: Nucleus sampling.
        max_tokens: Longest answer; an answer that is cut off is asked for again with twice as many.
        typical_tokens: How long answers are as a rule, for the estimate of costs.
        when: Ask only where this field is not empty.
        prose: The natural language that the answer must be in where none was drawn; empty for any.
        nothing: A word that, as the whole of the first part, says that there is nothing to go on with.
    """

    prompt: str
    take: dict[str, Kind]
    optional: list[str] = msgspec.field(default_factory=list)
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 2048
    typical_tokens: int = 500
    when: str = ""
    prose: str = ""
    nothing: str = ""


class Ask(Stage):
    """See the module."""

    kind = "ask"
    Options: ClassVar[type[Options]] = AskOptions
    options: AskOptions

    def __init__(self, label: str, options: AskOptions, recipe: Recipe) -> None:
        super().__init__(label, options, recipe)
        self._template = recipe.prompt(options.prompt)
        self._sampling = Sampling(
            temperature=options.temperature, top_p=options.top_p, max_tokens=options.max_tokens
        )

    @classmethod
    def labelled(cls, options: AskOptions) -> str:
        """Return the name of the prompt."""
        return options.prompt

    def needs(self) -> frozenset[str]:
        """The fields of the prompt."""
        return self._template.names | ({self.options.when} if self.options.when else set())

    def gives(self) -> frozenset[str]:
        """The parts that are taken."""
        return frozenset(self.options.take)

    def calls(self) -> list[Call]:
        """One."""
        return [
            Call(
                label=self.label,
                template=self._template,
                sampling=self._sampling,
                typical_tokens=self.options.typical_tokens,
            )
        ]

    async def run(self, item: Item, tools: Tools) -> None:
        """Ask, and put the parts into the fields."""
        if self.options.when and not item.fields.get(self.options.when):
            return
        parts = await ask(
            item,
            tools,
            label=self.label,
            template=self._template,
            sampling=self._sampling,
            read=self._reader(item),
        )
        if (
            self.options.nothing
            and parts[next(iter(self.options.take))].strip(" .*`") == self.options.nothing
        ):
            raise Dropped("nothing_of_use", f"{self.label}: the model found nothing to go on with")
        item.fields.update(parts)

    def _reader(self, item: Item) -> Callable[[Choice], dict[str, str]]:
        language = item.row.language or "python"
        prose = item.row.tags.natural_language or self.options.prose

        def read(choice: Choice) -> dict[str, str]:
            return take(
                choice.text,
                choice.finish_reason,
                self.options.take,
                optional=frozenset(self.options.optional),
                language=language,
                natural_language=prose,
            )

        return read
