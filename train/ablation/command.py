"""``opencoder train ablate``: run an ablation of the paper on the tiny model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import UserError, needs
from opencoder.log import emit
from train.ablation.registry import ABLATIONS, find_ablation
from train.run.command import NEEDED


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class AblateOptions:
    """Options of an ablation."""

    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None
    """Folder of its runs and of the result: ablation.json, ablation.md."""
    seeds: int = 3
    """Runs of every arm, each with another order of the data; more may be asked for later."""
    steps_scale: float = 1.0
    """Factor of all lengths."""
    resume: bool = True
    """Go on with what is in the folder; --no-resume sets it aside."""


def ablate(
    name: Annotated[str, Parameter(name="NAME", help="Which; without a name they are listed.")] = "",
    *,
    options: AblateOptions | None = None,
    common: Common | None = None,
) -> None:
    """Run an ablation of the paper on the tiny model, on held-out rows and with several seeds."""
    as_json = common is not None and common.json
    given = options or AblateOptions()
    if not name:
        found = {one.name: one.about for one in ABLATIONS.values()}
        emit(found, json=as_json, text="\n".join(f"{key:16} {about}" for key, about in found.items()))
        return
    find_ablation(name)
    if given.out is None:
        raise UserError("--out is missing; give -o FOLDER for the runs and the result")
    with needs(NEEDED, "train"):
        from train.ablation.report import text
        from train.ablation.runner import AblateSettings, run_ablation

        settings = AblateSettings(
            out=given.out, seeds=given.seeds, steps_scale=given.steps_scale, resume=given.resume
        )
        done = run_ablation(name, settings)
    emit(done, json=as_json, text=lambda: text(done))
