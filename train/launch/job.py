"""What the launch files of both schedulers have in common."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from opencoder.errors import UserError
from train.plan.gpus import GPUS_PER_NODE
from train.spec import STOP

TRAINER = "train.titan.main"
"""Module of the training process; it takes the run folder."""
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "NCCL_DEBUG": "WARN",
    "OMP_NUM_THREADS": "8",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    # Less is lost to fragments when micro-batches and checkpoints come and go.
    "PYTORCH_ALLOC_CONF": "expandable_segments:True",
    # A hung collective ends the process, so that the run goes on from its last checkpoint.
    "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
}
GRACE_S = 600
"""Seconds from the word that the machine is wanted back until the processes are killed."""
RESTARTS = 3
"""Times that torchrun starts the processes anew after one of them fails."""
PREEMPTED = "preempted"
"""What the stop file says when the scheduler, not a person, wants the run to stop."""
_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One run on one cluster.

    Attributes:
        name: Of the job: small letters, digits and hyphens.
        folder: The run folder as the nodes see it.
        gpus: Over all nodes.
        environment: Variables besides :data:`ENVIRONMENT`.
    """

    name: str
    folder: str
    gpus: int
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        """Nodes of eight GPUs."""
        return -(-self.gpus // GPUS_PER_NODE)

    @property
    def per_node(self) -> int:
        """GPUs of each node."""
        return self.gpus // self.nodes

    @property
    def stop(self) -> str:
        """The stop file."""
        return f"{self.folder}/{STOP}"

    @property
    def variables(self) -> dict[str, str]:
        """All variables, those of the caller last."""
        return {**ENVIRONMENT, **self.environment}


def check_gpus(gpus: int) -> None:
    """Refuse a number of GPUs that is no whole number of nodes.

    Raises:
        UserError: It is.
    """
    if gpus < 1 or (gpus > GPUS_PER_NODE and gpus % GPUS_PER_NODE):
        raise UserError(f"--gpus {gpus}: at most {GPUS_PER_NODE}, or whole nodes of {GPUS_PER_NODE}")


def job_name(title: str) -> str:
    """Return a name that both schedulers take, of at most 52 characters (a pod's index follows it)."""
    return _NAME.sub("-", title.lower()).strip("-")[:52].strip("-")


def torchrun(job: Job, endpoint: str, run_id: str) -> list[str]:
    """Return the parts of the command that runs on every node.

    Args:
        job: The run.
        endpoint: Where the nodes meet, quoted for the shell.
        run_id: What tells this meeting from others, quoted for the shell.
    """
    return [
        "torchrun",
        f"--nnodes={job.nodes}",
        f"--nproc-per-node={job.per_node}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={endpoint}",
        f"--rdzv-id={run_id}",
        f"--max-restarts={RESTARTS}",
        f"-m {TRAINER} {shlex.quote(job.folder)}",
    ]


def parse_environment(texts: tuple[str, ...]) -> dict[str, str]:
    """Read ``NAME=VALUE``.

    Raises:
        UserError: One is not of this form.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise UserError(f"--env {text}: must be NAME=VALUE")
        found[name] = value
    return found
