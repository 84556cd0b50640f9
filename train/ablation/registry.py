"""All ablations by name."""

from __future__ import annotations

from opencoder.errors import UserError
from train.ablation.annealing_data import ANNEALING_DATA
from train.ablation.plan import Ablation
from train.ablation.two_stage_sft import TWO_STAGE_SFT

ABLATIONS: dict[str, Ablation] = {one.name: one for one in (TWO_STAGE_SFT, ANNEALING_DATA)}


def find_ablation(name: str) -> Ablation:
    """Return an ablation.

    Raises:
        UserError: There is none of this name.
    """
    if name not in ABLATIONS:
        raise UserError(f"no ablation {name!r}; there are {', '.join(ABLATIONS)}")
    return ABLATIONS[name]
