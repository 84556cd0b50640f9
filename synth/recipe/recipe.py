"""A recipe: a folder with ``recipe.yaml`` and the prompts that it names, ``NAME.md``."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from opencoder.config import load_file
from opencoder.errors import DataError, UserError
from synth.recipe.template import Template, read_template

FILE = "recipe.yaml"
SHIPPED = Path(__file__).resolve().parent.parent / "recipes"

SeedKind = Literal["code", "page", "rows", "api"]


class SeedRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a seed must be.

    Attributes:
        kind: ``code``: files and snippets; ``page``: Markdown, HTML or text; ``rows``: rows that have a
            question already (chats, instruction data); ``api``: the output of ``opencoder synth api``.
        languages: Programming languages that are taken; empty for all.
        min_chars: Shorter texts are rejected.
        max_chars: Longer texts are split into units.
    """

    kind: SeedKind
    languages: list[str] = []
    min_chars: int = 1
    max_chars: int = 8000


class RecipeFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of ``recipe.yaml``.

    Attributes:
        name: As in the id of rows.
        version: A whole number that grows with every change that changes rows.
        about: One sentence.
        source_set: Value of ``tags.source_set`` of its rows.
        seeds: What a seed must be.
        stages: What is done, in order; each a table with one key, the kind of stage, and its options.
    """

    name: str
    version: int
    about: str
    source_set: str
    seeds: SeedRules
    stages: list[dict[str, Any]]


class StageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a recipe: its kind, its options as they stand, and its place for messages."""

    kind: str
    options: dict[str, Any]
    where: str


class Recipe:
    """A recipe that has been read.

    Attributes:
        file: What ``recipe.yaml`` says.
        folder: Where it stands.
        sha256: Of the file and all prompts that were read.
    """

    def __init__(self, folder: Path, file: RecipeFile) -> None:
        self.folder = folder
        self.file = file
        self._prompts: dict[str, Template] = {}

    @property
    def path(self) -> Path:
        """Of ``recipe.yaml``."""
        return self.folder / FILE

    @property
    def prompts(self) -> dict[str, str]:
        """The prompts that were asked for, with the SHA-256 of each."""
        return {name: template.sha256 for name, template in sorted(self._prompts.items())}

    @property
    def sha256(self) -> str:
        """Of everything that can change a row: the file's content and its prompts."""
        content = [msgspec.to_builtins(self.file), self.prompts]
        return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()

    def prompt(self, name: str) -> Template:
        """Return the prompt ``NAME.md``.

        Raises:
            DataError: There is none, or it is no template.
        """
        if name not in self._prompts:
            path = self.folder / f"{name}.md"
            if not path.is_file():
                raise DataError(f"prompt {name!r} is not there; write {path}", path=self.path)
            self._prompts[name] = read_template(path)
        return self._prompts[name]

    def stages(self) -> Iterator[StageSpec]:
        """Yield the stages.

        Raises:
            DataError: An entry is not one key with a table of options.
        """
        for number, entry in enumerate(self.file.stages, 1):
            where = f"stages[{number}]"
            if len(entry) != 1:
                raise DataError(
                    f"{where}: needs one key, the kind of stage, not {list(entry)}", path=self.path
                )
            kind, options = next(iter(entry.items()))
            if not isinstance(options, (dict, type(None))):
                raise DataError(f"{where}: {kind} needs a table of options", path=self.path)
            yield StageSpec(kind=kind, options=options or {}, where=where)


def shipped() -> dict[str, Path]:
    """Return the recipes that come with this package: name and folder."""
    return {path.parent.name: path.parent for path in sorted(SHIPPED.glob(f"*/{FILE}"))}


def read_recipe(name: str) -> Recipe:
    """Read a recipe: one that is shipped, by its name, or a folder or a ``recipe.yaml`` of the user's.

    Raises:
        UserError: No such recipe.
        DataError: It is broken; with the file and the key.
    """
    known = shipped()
    folder = known.get(name, Path(name))
    if folder.name == FILE:
        folder = folder.parent
    path = folder / FILE
    if not path.is_file():
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        raise UserError(f"no recipe {name!r}, and no folder with a {FILE} of that name; {hint}")
    try:
        file = msgspec.convert(load_file(path), RecipeFile)
    except msgspec.ValidationError as error:
        raise DataError(f"not a recipe: {error}", path=path) from error
    return Recipe(folder, file)
