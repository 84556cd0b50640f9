"""A Slurm batch script.

``srun`` starts one ``torchrun`` on each node; they meet at the first node. Five minutes before the time is
up, or when the job is preempted, Slurm sends USR1: the script then writes the stop file, the run saves after
the step in hand, and the job is queued again. It goes on by itself from the last checkpoint, as it does when
a node fails.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from train.launch.job import PREEMPTED, Job, torchrun

_SIGNAL_S = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Slurm:
    """Settings of Slurm.

    Attributes:
        partition: Where to queue; empty for the default.
        account: Whose time; empty for the default.
        time: Limit of one job.
        image: Container image (needs the Pyxis plugin); empty for none.
        venv: Virtual environment on the nodes; empty for what is on ``PATH``.
        mounts: Folders that the container sees.
    """

    partition: str = ""
    account: str = ""
    time: str = "24:00:00"
    image: str = ""
    venv: str = ""
    mounts: tuple[str, ...] = ()


_BODY = """\
set -euo pipefail

run={run}
{variables}
{activate}
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))

# A stop file of the job before would stop this one at once.
rm -f "$run/stop"
again=0
on_signal() {{
    again=1
    echo {preempted} >"$run/stop"
}}
trap on_signal USR1 TERM

{srun} &
child=$!
# A signal ends `wait` early, so wait until the child is gone.
code=0
wait "$child" || code=$?
while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
done

if [ "$again" -eq 1 ] && [ "$code" -eq 0 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def sbatch(job: Job, settings: Slurm) -> str:
    """Return the batch script of a run."""
    header = {
        "job-name": job.name,
        "nodes": str(job.nodes),
        "ntasks-per-node": "1",
        "gpus-per-node": str(job.per_node),
        "mem": "0",
        "exclusive": "",
        "time": settings.time,
        "partition": settings.partition,
        "account": settings.account,
        "requeue": "",
        "open-mode": "append",
        "signal": f"B:USR1@{_SIGNAL_S}",
        "output": f"{job.folder}/slurm-%j.log",
    }
    bare = {"exclusive", "requeue"}
    lines = [f"#SBATCH --{name}" for name in header if name in bare]
    lines += [f"#SBATCH --{name}={value}" for name, value in header.items() if value]
    body = _BODY.format(
        run=shlex.quote(job.folder),
        variables="\n".join(f"export {name}={shlex.quote(value)}" for name, value in job.variables.items()),
        activate=f"source {shlex.quote(settings.venv)}/bin/activate\n" if settings.venv else "",
        preempted=PREEMPTED,
        srun=_srun(job, settings),
    )
    return "\n".join(["#!/bin/bash", *lines, "", body])


def _srun(job: Job, settings: Slurm) -> str:
    words = ["srun", "--kill-on-bad-exit=1"]
    if settings.image:
        words.append(f"--container-image={shlex.quote(settings.image)}")
        places = ",".join(f"{place}:{place}" for place in settings.mounts)
        words += [f"--container-mounts={shlex.quote(places)}"] if places else []
    words += torchrun(job, '"$first:$port"', '"$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}"')
    return " \\\n    ".join(words)
