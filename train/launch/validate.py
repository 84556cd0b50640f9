"""Proof that a layout builds: torchtitan shards the model over a group of processes that are not there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from opencoder.errors import InfraError, UserError
from train.spec import RunSpec, write_spec

FAKE = "train.titan.fake"
"""Module that builds a run folder's model as rank 0 of a fake process group, and ends with 0 if it can."""
LIMIT_S = 900.0


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """What one rank holds once the run is built.

    Attributes:
        ranks: Over all nodes.
        params: Of the whole model.
        local_params: Of this rank.
        accumulation: Micro-batches of a rank for one step.
    """

    ranks: int
    params: int
    local_params: int
    accumulation: int


def validate(spec: RunSpec, world: int) -> Built:
    """Build a run's model, optimiser and meshes as one of ``world`` ranks would, without the others.

    Args:
        spec: The run.
        world: Ranks over all nodes.

    Returns:
        What the first rank holds.

    Raises:
        UserError: The layout is for another number of ranks, cannot be built, or gives another model.
        InfraError: Building it took longer than a quarter of an hour.
    """
    if spec.parallel.ranks != world:
        raise UserError(f"{spec.name}: its layout is for {spec.parallel.ranks} ranks, not for {world}")
    with tempfile.TemporaryDirectory(prefix="opencoder-launch-") as name:
        folder = Path(name)
        write_spec(folder, spec)
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", FAKE, str(folder)],
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InfraError(f"{spec.name}: building its layout took longer than {LIMIT_S:.0f} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{spec.name}: its layout for {world} ranks cannot be built: {last}")
    built = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Built)
    if (built.params, built.accumulation) != (spec.shape.params, spec.accumulation):
        raise UserError(
            f"{spec.name}: built with {built.params:,} parameters and accumulation {built.accumulation}, "
            f"planned with {spec.shape.params:,} and {spec.accumulation}"
        )
    return built
