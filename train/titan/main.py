"""The training process: ``torchrun -m train.titan.main RUN_FOLDER``, one on each device.

Errors go to ``errors/rank-R.json`` in the run folder, as one line with its kind, before the process ends. On
SIGUSR2 a rank writes the stacks of all threads to its console, also when it hangs outside of Python. Ranks
do not outlive a torchrun that is killed: nobody else would end them, and the next session writes there too.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import traceback
from pathlib import Path

from opencoder.errors import DependencyError, GateError, InfraError, OpenCoderError, UserError
from opencoder.files import make_folder
from opencoder.store import write_json
from train.lifetime import end_with
from train.spec import ERRORS, read_spec

_KINDS = ((DependencyError, "dependency"), (GateError, "gate"), (InfraError, "infra"), (UserError, "user"))


def main(argv: list[str]) -> int:
    """Train what the folder says and return the exit code (see ``opencoder.errors``)."""
    end_with(os.getppid(), signal.SIGKILL)
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    folder = Path(argv[0]).resolve()
    try:
        _train(folder)
    except OpenCoderError as error:
        _record(
            folder, next((name for kind, name in _KINDS if isinstance(error, kind)), "internal"), str(error)
        )
        return error.exit_code
    except BaseException as error:  # noqa: BLE001 - torch's CheckpointException is no Exception
        # The traceback belongs to the console of this rank; one line of it to the one who started the run.
        traceback.print_exc()
        _record(folder, "internal", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
        return 1
    return 0


def _train(folder: Path) -> None:
    spec = read_spec(folder)
    from train.titan.compat import prepare

    prepare(spec.compute.device)
    import torch.distributed as dist
    from torchtitan.tools.logging import init_logger

    from train.titan.config import trainer_config

    init_logger()
    trainer = trainer_config(folder, spec).build()
    try:
        trainer.train()
    finally:
        trainer.close()
    dist.destroy_process_group()


def _record(folder: Path, kind: str, message: str) -> None:
    rank = os.environ.get("RANK", "0")
    sys.stderr.write(f"rank {rank}: {message}\n")
    try:
        write_json(make_folder(folder / ERRORS) / f"rank-{rank}.json", {"kind": kind, "message": message})
    except OpenCoderError as error:
        sys.stderr.write(f"rank {rank}: {error}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
