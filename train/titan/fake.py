"""Prove a layout without its machines: ``python -m train.titan.fake RUN_FOLDER``.

Builds the whole trainer (model, sharding, optimiser, schedule) as one rank of as many as the spec has, with
torchtitan's fake process group, on the CPU, and prints what this rank holds as JSON. It takes no step.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from train.spec import RunSpec, read_spec


def main(argv: list[str]) -> int:
    """Build and print; errors are the caller's to read from stderr."""
    folder = Path(argv[0]).resolve()
    sys.stdout.write(json.dumps(build(folder, read_spec(folder))) + "\n")
    return 0


def build(folder: Path, spec: RunSpec) -> dict[str, Any]:
    """Build the trainer of rank 0 and return what it holds.

    Returns:
        ``ranks``, ``params`` of the whole model, ``local_params`` of this rank, ``accumulation``.
    """
    ranks = str(spec.parallel.ranks)
    os.environ.update(NGPU=ranks, WORLD_SIZE=ranks, RANK="0", LOCAL_RANK="0")
    from train.titan.compat import prepare

    prepare("cpu")
    from torchtitan.tools.logging import init_logger

    from train.titan.attention import CpuLlama
    from train.titan.config import trainer_config

    init_logger()
    # Shapes and shards are what is proved; drawing billions of weights takes minutes.
    CpuLlama.init_weights = lambda self, **_: None
    compute = msgspec.structs.replace(spec.compute, device="cpu", compile=False)
    config = trainer_config(folder, msgspec.structs.replace(spec, compute=compute))
    trainer = without_files(config).build()
    params = [parameter for part in trainer.model_parts for parameter in part.parameters()]
    local = [getattr(parameter, "_local_tensor", parameter) for parameter in params]
    return {
        "ranks": spec.parallel.ranks,
        "params": sum(parameter.numel() for parameter in params),
        "local_params": sum(tensor.numel() for tensor in local),
        "accumulation": trainer.gradient_accumulation_steps,
    }


def without_files(config: Any) -> Any:
    """Return a configuration that neither reads shards nor writes checkpoints or metrics, over fake links."""
    from torchtitan.components.metrics import MetricsProcessor
    from torchtitan.config.configs import CommConfig

    from train.titan.loader import NoLoader

    return dataclasses.replace(
        config,
        comm=CommConfig(mode="fake_backend"),
        dataloader=NoLoader.Config(),
        checkpoint=dataclasses.replace(config.checkpoint, enable=False),
        metrics=MetricsProcessor.Config(),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
