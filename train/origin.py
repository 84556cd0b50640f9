"""What ``--start`` says: where weights and tokenizer of a run come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from opencoder.errors import UserError
from opencoder.store import read_json
from train import checkpoints
from train.recipe import Recipe
from train.shape import Shape
from train.spec import CHECKPOINTS, SPEC, Start, read_spec


class Origin(NamedTuple):
    """Weights and the tokenizer that they were trained with.

    Attributes:
        start: The weights.
        shape: The model.
        tokenizer: Folder with ``tokenizer.json``; ``None`` where the folder has none.
    """

    start: Start
    shape: Shape
    tokenizer: Path | None


def find_origin(recipe: Recipe, given: Path) -> Origin:
    """Find out what a recipe starts from.

    Args:
        recipe: It says which checkpoint of a run folder is taken (the newest if none), and whether the
            optimiser's state goes along.
        given: A run folder, a checkpoint ``step-N`` in one, or a Hugging Face folder.

    Raises:
        UserError: It is none of these, or the run has no whole checkpoint.
        DataError: The run's spec cannot be read.
    """
    path = given.resolve()
    if (path / SPEC).is_file():
        chosen = checkpoints.chosen(path / CHECKPOINTS, recipe.start.step)
        if chosen is None:
            raise UserError(f"--start {given}: the run there has no whole checkpoint yet; train it first")
        path = chosen
    if (path / checkpoints.COMPLETE).is_file() and (path.parent.parent / SPEC).is_file():
        spec = read_spec(path.parent.parent)
        start = Start(kind="checkpoint", path=str(path), optimizer=recipe.start.optimizer)
        return Origin(start, spec.shape, Path(spec.tokenizer))
    if (path / "config.json").is_file():
        has_tokenizer = (path / "tokenizer.json").is_file()
        config = read_json(path / "config.json", dict[str, Any])
        shape = Shape.from_hf_config(config, str(path / "config.json"))
        return Origin(Start(kind="hf", path=str(path)), shape, path if has_tokenizer else None)
    raise UserError(
        f"--start {given}: no run folder ({SPEC}), no whole checkpoint ({checkpoints.COMPLETE}) and no "
        "Hugging Face folder (config.json); check the path"
    )


def start_on_nodes(recipe: Recipe, given: Path) -> Start:
    """Return what a recipe starts from on other machines, whose folders may not be here.

    Args:
        recipe: As for :func:`find_origin`.
        given: As for :func:`find_origin`, if it is here; else ``step-N`` is taken for a checkpoint and
            anything else for a Hugging Face folder.

    Raises:
        UserError: It is here and is none of these.
        DataError: It is here and cannot be read.
    """
    if given.exists():
        return find_origin(recipe, given).start
    path = str(given.absolute())
    if given.name.startswith("step-"):
        return Start(kind="checkpoint", path=path, optimizer=recipe.start.optimizer)
    return Start(kind="hf", path=path)
