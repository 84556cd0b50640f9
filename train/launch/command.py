"""``opencoder train launch``: files that start a recipe on a cluster."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import UserError
from opencoder.log import emit
from train.launch.job import Job, check_gpus, parse_environment
from train.launch.kubernetes import Kubernetes, manifest
from train.launch.slurm import Slurm, sbatch
from train.launch.validate import validate
from train.launch.write import Launch, counted_sequences, write_launches
from train.origin import start_on_nodes
from train.overrides import Overrides
from train.plan.gpus import find_gpu
from train.recipe import Preset, Recipe
from train.recipes.registry import find_recipe
from train.resolve import resolve_phases
from train.sources import sources_of
from train.spec import RunSpec


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchOptions:
    """Options of launch files. Paths of data, tokenizer and checkpoint are as the nodes see them."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the run, or of its phases."""
    scheduler: Literal["slurm", "kubernetes"]
    """What starts it."""
    gpus: int
    """How many GPUs, in nodes of eight."""
    data: Annotated[list[str], Parameter(negative="")]
    """Folder of token shards: FOLDER, FOLDER=WEIGHT, or PART=FOLDER for a part that the recipe weighs;
    repeat it for a mixture."""
    tokenizer: Path
    """Folder of the tokenizer."""
    gpu: Literal["h100", "h200", "h800"] = "h100"
    """Which GPU."""
    preset: Preset = "practical"
    """Whose figures."""
    start: Path | None = None
    """Where the weights come from: a run folder (if it can be seen from here), a checkpoint (step-N) or a
    Hugging Face folder."""
    at: Path | None = None
    """The folder of --out as the nodes see it; the same by default."""
    steps: int | None = None
    """Length of the run (each phase), in place of the recipe's."""
    tensor: int | None = None
    """GPUs that share each matrix; 1 by default."""
    env: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """More variables of the processes: NAME=VALUE."""
    image: str = ""
    """Container image with this package (Kubernetes needs one)."""
    partition: str = ""
    """Slurm: where to queue."""
    account: str = ""
    """Slurm: whose time."""
    time: str = "24:00:00"
    """Slurm: limit of one job; the run goes on in the next."""
    venv: str = ""
    """Slurm: virtual environment on the nodes."""
    namespace: str = "default"
    """Kubernetes: of the job."""
    claim: str = "opencoder"
    """Kubernetes: persistent volume claim with data, tokenizer and run folder."""
    mount: str = "/data"
    """Kubernetes: where the claim is mounted."""
    check: Annotated[bool, Parameter(negative="")] = False
    """Build the layout with torchtitan on a process group that is not there (needs the `train` extra)."""


def launch(
    recipe: Annotated[str, Parameter(name="RECIPE", help="As `opencoder train recipes` lists it.")],
    *,
    options: LaunchOptions,
    common: Common | None = None,
) -> None:
    """Write the spec of a run on a cluster and the file that starts it, with resuming and a last save."""
    check_gpus(options.gpus)
    if options.scheduler == "kubernetes" and not options.image:
        raise UserError("--scheduler kubernetes needs --image")
    if not options.data:
        raise UserError("--data is missing: a folder of token shards")
    found_recipe = find_recipe(recipe, options.preset)
    at = (options.at or options.out).absolute()
    found = _specs(found_recipe, options, at)
    built = [validate(spec, options.gpus) for _, spec in found] if options.check else []
    launches = write_launches(
        options.out,
        found,
        at=at,
        gpus=options.gpus,
        environment=parse_environment(options.env),
        text=lambda job: _text(job, recipe, options),
        file_name="run.sbatch" if options.scheduler == "slurm" else "job.yaml",
    )
    emit(
        {"scheduler": options.scheduler, "built": built, "launches": launches},
        json=bool(common and common.json),
        text=lambda: "\n".join(_lines(launches, options.scheduler)),
    )


def _specs(recipe: Recipe, options: LaunchOptions, at: Path) -> list[tuple[Path, RunSpec]]:
    sources = list(sources_of(recipe, options.data, here=False))
    return resolve_phases(
        recipe,
        at,
        sources=sources,
        tokenizer=options.tokenizer.absolute(),
        ranks=options.gpus,
        gpu=find_gpu(options.gpu),
        start=None if options.start is None else start_on_nodes(recipe, options.start),
        per_epoch=counted_sequences(recipe, sources),
        overrides=Overrides(steps=options.steps, tensor=options.tensor),
    )


def _text(job: Job, recipe: str, options: LaunchOptions) -> str:
    if options.scheduler == "kubernetes":
        return manifest(
            job,
            Kubernetes(
                image=options.image, namespace=options.namespace, claim=options.claim, mount=options.mount
            ),
        )
    sources = sources_of(find_recipe(recipe, options.preset), options.data, here=False)
    data = [Path(source.folder) for source in sources]
    places = [Path(job.folder), options.tokenizer, *data, *([options.start] if options.start else [])]
    roots = {str(path.absolute().parent) for path in places}
    return sbatch(
        job,
        Slurm(
            partition=options.partition,
            account=options.account,
            time=options.time,
            image=options.image,
            venv=options.venv,
            mounts=tuple(sorted(roots)),
        ),
    )


def _lines(launches: list[Launch], scheduler: str) -> list[str]:
    lines = [
        f"{each.name}: {each.steps:,} steps on {each.nodes} nodes, run folder {each.folder}"
        for each in launches
    ]
    if scheduler == "kubernetes":
        starts = [f"kubectl apply -f {shlex.quote(each.file)}" for each in launches]
    else:
        starts = [f"sbatch {shlex.quote(each.file)}" for each in launches]
    return [*lines, f"start it with: {starts[0]}", *(f"when that has ended: {text}" for text in starts[1:])]
