"""What every stage knows: the row on its way, the tools it may use, and how a row leaves early."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from opencoder.errors import DataError
from opencoder.llm.api import Model, Sampling
from opencoder.llm.prices import Price
from opencoder.records import Message
from sandbox.api import Sandbox
from synth.recipe.recipe import Recipe
from synth.recipe.template import Template
from synth.record import Row


class Dropped(Exception):
    """The row ends here.

    Args:
        reason: A code, the same in all runs.
        detail: The same in words, with what was seen.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Again(Exception):
    """The row goes back to an earlier stage, as another try.

    Args:
        label: Of that stage.
    """

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


@dataclass(kw_only=True, slots=True)
class Item:
    """A row on its way through the stages.

    Attributes:
        index: Its place in the input.
        row: What will be written.
        fields: Named texts that prompts show: ``seed`` and its company, what was drawn, what was answered.
        tries: How often it was sent back to each stage, by label.
        stage: Label of the stage where it is, or ended.
        verified: What was verified last: code and tests.
        fallback: Code, tests and messages of the last verification that passed.
    """

    index: int
    row: Row
    fields: dict[str, str]
    tries: dict[str, int] = field(default_factory=dict)
    stage: str = ""
    verified: tuple[str, ...] = ()
    fallback: tuple[str, list[str], list[Message]] | None = None


Shower = Callable[[Item, str, Sequence[Message], str], None]
"""Shows a call: the row, the label of the stage, the prompt and the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What stages may use.

    Attributes:
        model: Who is asked.
        sandbox: Enters the sandbox, which is opened with the first use and closed with the run.
        seed: Of the run.
        price: Of tokens; None where it is not known.
        settings: Paths and policies of the command line, by name: ``scorer``, ``api``, ``license_policy``.
        show: Shows every call, if not None.
        slots: Holds the number of programs that run side by side.
    """

    model: Model
    sandbox: Callable[[], AbstractAsyncContextManager[Sandbox]]
    seed: int
    price: Price | None = None
    settings: dict[str, str] = field(default_factory=dict)
    show: Shower | None = None
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call that a stage makes for every row, for the estimate of costs.

    Attributes:
        label: Of the stage.
        template: The prompt.
        sampling: How much may be answered.
        typical_tokens: How long answers are as a rule.
        share: Of the rows for which the call is made.
    """

    label: str
    template: Template
    sampling: Sampling
    typical_tokens: int
    share: float = 1.0


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the options of a stage: the keys below its kind in ``recipe.yaml``."""


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a row that fails goes back to, and how often; field ``failure`` then tells what was seen."""

    stage: str
    rounds: int = 1


class Stage:
    """One stage of a recipe; a subclass per kind.

    Args:
        label: Its name in rejects and messages, unique in the recipe.
        options: Of the class's ``Options``.
        recipe: Where its prompts are.

    Attributes:
        kind: The key in ``recipe.yaml``.
        ordered: Rows come one by one in the order of the input, and what the stage decides for one depends
            on those before it. Such a stage may not wait for a model or a sandbox.
        free_form: The options are names of the user's; the class gets the mapping as it stands.
    """

    kind: ClassVar[str]
    ordered: ClassVar[bool] = False
    free_form: ClassVar[bool] = False
    Options: ClassVar[type[Options]] = Options

    def __init__(self, label: str, options: Any, recipe: Recipe) -> None:
        self.label = label
        self.options = options
        self.recipe = recipe

    @classmethod
    def labelled(cls, options: Any) -> str:
        """Return the label that a stage with these options gets."""
        del options
        return cls.kind

    def needs(self) -> frozenset[str]:
        """Fields that earlier stages must have given."""
        return frozenset()

    def gives(self) -> frozenset[str]:
        """Fields that later stages may show."""
        return frozenset()

    def calls(self) -> list[Call]:
        """Calls that it makes for a row."""
        return []

    async def open(self, tools: Tools) -> None:
        """Get ready, once, before the first row.

        Raises:
            UserError: A setting is wrong or missing.
            DependencyError: Something it needs is not there.
        """

    def about(self) -> dict[str, Any]:
        """Return what the manifest should say of it, once it is open: a table for each key."""
        return {}

    async def run(self, item: Item, tools: Tools) -> None:
        """Do what it does with a row.

        Raises:
            Dropped: The row ends here.
            Again: The row goes back.
            InfraError: A service failed; nothing is said of the row.
        """
        raise NotImplementedError

    def recall(self, row: Row) -> None:
        """Take note of a row that passed here in an earlier session; only where ``ordered``."""


def read_options(kind: type[Stage], options: dict[str, Any], *, recipe: Recipe, where: str) -> Any:
    """Check the options of a stage.

    Raises:
        DataError: A key is not known or a value is wrong; with the recipe's file and the key.
    """
    known = [found.encode_name for found in msgspec.structs.fields(kind.Options)]
    for key in options:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known) or 'none'}"
            raise DataError(f"{where}.{kind.kind}: unknown key `{key}`; {hint}", path=recipe.path)
    try:
        return msgspec.convert(options, kind.Options)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}.{kind.kind}: {error}", path=recipe.path) from error
