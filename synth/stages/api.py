"""``api``: names that a package does not have, or no longer wants used, end the row or send it back."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from opencoder.errors import UserError
from synth.packages.check import check_code
from synth.packages.store import ApiStore
from synth.recipe.recipe import Recipe
from synth.stages.base import Again, Dropped, Item, Options, Retry, Stage, Tools


class ApiOptions(Options, frozen=True, kw_only=True):
    """Options of ``api``.

    Attributes:
        retry: Where a row that fails goes back to; None drops it at once.
    """

    retry: Retry | None = None


class Api(Stage):
    """See the module. The interfaces are in ``--api``, the folder that ``opencoder synth api`` wrote."""

    kind = "api"
    Options: ClassVar[type[Options]] = ApiOptions
    options: ApiOptions

    def __init__(self, label: str, options: ApiOptions, recipe: Recipe) -> None:
        super().__init__(label, options, recipe)
        self._store: ApiStore

    async def open(self, tools: Tools) -> None:
        """Read the interfaces.

        Raises:
            UserError: There is no folder of them.
        """
        folder = tools.settings.get("api")
        if folder is None:
            raise UserError(
                f"recipe {self.recipe.file.name} checks names against a package's interface; give --api DIR, "
                "the folder that `opencoder synth api PACKAGE -o DIR` wrote"
            )
        self._store = ApiStore.open(Path(folder))

    async def run(self, item: Item, tools: Tools) -> None:
        """Check every name that the code uses of the packages."""
        del tools
        problems = check_code(item.row.code, self._store)
        if not problems:
            return
        first = problems[0]
        item.fields["failure"] = "; ".join(problem.detail for problem in problems)[:1000]
        retry = self.options.retry
        if retry is not None and item.tries.get(retry.stage, 0) < retry.rounds:
            raise Again(retry.stage)
        raise Dropped(first.kind, f"line {first.line}: {first.detail or first.name}")
