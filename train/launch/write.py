"""Writes run folders with their specs, and beside them the files that start them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from opencoder.errors import UserError
from opencoder.files import make_folder, write_bytes
from opencoder.store import read_json
from train.launch.job import Job, job_name
from train.recipe import Recipe
from train.spec import RunSpec, Source, write_spec
from train.tokens.format import SHARDS, Manifest


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One run that can be started.

    Attributes:
        file: What is given to the scheduler.
        run: The run folder here.
        folder: The run folder as the nodes see it.
        name: Of the job.
        nodes: Nodes.
        steps: Of the run.
    """

    file: str
    run: str
    folder: str
    name: str
    nodes: int
    steps: int


def write_launches(
    out: Path,
    found: list[tuple[Path, RunSpec]],
    *,
    at: Path,
    gpus: int,
    environment: dict[str, str],
    text: Callable[[Job], str],
    file_name: str,
) -> list[Launch]:
    """Write the run folders of all phases.

    Args:
        out: Where to write, here.
        found: Run folders as the nodes see them, with their specs.
        at: ``out`` as the nodes see it.
        gpus: Over all nodes.
        environment: Variables of the caller.
        text: Gives the launch file of a job.
        file_name: Its name in the run folder.

    Raises:
        UserError: A run folder holds a run already.
    """
    launches = []
    for place, spec in found:
        here = out / place.relative_to(at)
        if (here / "checkpoint").exists():
            raise UserError(f"{here}: holds a run already; choose another folder with -o")
        job = Job(name=job_name(spec.name), folder=str(place), gpus=gpus, environment=environment)
        make_folder(here)
        write_spec(here, spec)
        write_bytes(here / file_name, text(job).encode())
        launches.append(
            Launch(
                file=str(here / file_name),
                run=str(here),
                folder=str(place),
                name=job.name,
                nodes=job.nodes,
                steps=spec.steps,
            )
        )
    return launches


def counted_sequences(recipe: Recipe, sources: list[Source]) -> float | None:
    """Return the sequences of one pass over dialogues, where their shards can be read from here.

    Padded dialogues are counted exactly; packed ones by their tokens, as packing leaves little empty.

    Returns:
        ``None`` for recipes in tokens, and where a folder of shards is not on this machine.
    """
    folders = [Path(source.folder) for source in sources]
    if recipe.stage != "sft" or not all((folder / SHARDS).is_file() for folder in folders):
        return None
    manifests = [read_json(folder / SHARDS, Manifest) for folder in folders]
    if recipe.data.form == "padded":
        return float(sum(manifest.documents for manifest in manifests))
    return sum(manifest.tokens for manifest in manifests) / recipe.batches[0].seq_len
