"""The command that starts the ranks."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opencoder.files import write_bytes
from train.launch.job import ENVIRONMENT, TRAINER
from train.run.folder import COMMAND, CONSOLE

AGENT = "torch.distributed.run"
"""Module that starts the ranks of this machine and watches them."""
_LOGS = "torchrun"


@dataclass(frozen=True, slots=True)
class Launch:
    """A command with the variables that it needs besides those of its surroundings."""

    command: list[str]
    env: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """One line for a shell."""
        return shlex.join(["env", *(f"{name}={value}" for name, value in self.env.items()), *self.command])


def launch(folder: Path, nproc: int, *, module: str = TRAINER) -> Launch:
    """Return the torchrun command of a run on this machine.

    No restarts by torchrun: a rank that failed is a fault to be told. The rendezvous takes a free port.

    Args:
        folder: The run folder.
        nproc: Ranks.
        module: What a rank runs.
    """
    home = folder.resolve()
    command = [
        sys.executable, "-P", "-m", AGENT,
        "--nproc-per-node", str(nproc),
        "--rdzv-backend", "c10d",
        "--rdzv-endpoint", "localhost:0",
        "--max-restarts", "0",
        "--log-dir", str(home / CONSOLE / _LOGS),
        "--redirects", "3",
        "-m", module, str(home),
    ]  # fmt: skip
    threads = max(1, len(os.sched_getaffinity(0)) // nproc)
    env = {**ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    # What the user has set stands.
    env |= {name: os.environ[name] for name in env if name in os.environ}
    if path := _python_path():
        env["PYTHONPATH"] = path
    return Launch(command, env)


def write_command(folder: Path, started: Launch) -> None:
    """Write the command to ``command.txt``: ``sh command.txt`` trains without a supervisor."""
    write_bytes(folder / COMMAND, f"{started.line}\n".encode("utf-8", "surrogateescape"))


def link_consoles(folder: Path) -> list[Path]:
    """Give the files that torchrun keeps for each rank names that one finds: ``console/rank-R.txt``.

    torchrun writes ``console/torchrun/<id>/attempt_0/<rank>/stderr.log`` and ``stdout.log``. What ranks log
    goes to stderr; ``rank-R.out.txt`` is the other one.

    Returns:
        The links of the newest start.
    """
    console = folder / CONSOLE
    starts = sorted((console / _LOGS).glob("*/attempt_0"), key=lambda path: path.stat().st_mtime_ns)
    links = []
    for log in sorted(starts[-1].glob("[0-9]*/std*.log")) if starts else []:
        ending = "txt" if log.name == "stderr.log" else "out.txt"
        link = console / f"rank-{log.parent.name}.{ending}"
        target = log.relative_to(console)
        if not link.is_symlink() or link.readlink() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        links.append(link)
    return links


def _python_path() -> str:
    """Return what makes ``train`` importable in the ranks; nothing where it is installed."""
    root = Path(__file__).resolve().parent.parent.parent
    given = os.environ.get("PYTHONPATH", "")
    entries: Sequence[str] = [entry for entry in given.split(os.pathsep) if entry]
    if root.name in {"site-packages", "dist-packages"} or str(root) in entries:
        return given
    return os.pathsep.join([str(root), *entries])
