"""Starting and ending trees of processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from train.lifetime import end_with


def start(command: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, its output in a file.

    Ctrl-C of the terminal does not reach it, and it gets SIGTERM when this process dies, however that dies.
    Call it from the main thread: the kernel watches the thread that forked.

    Args:
        command: Program and arguments.
        env: Variables that are added to ours.
        log: File that its output goes to, from the beginning.
    """
    with log.open("wb") as out:
        return subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Between fork and exec there is only a system call on a library that is loaded already.
            preexec_fn=partial(end_with, os.getpid(), signal.SIGTERM),  # noqa: PLW1509
        )


def tree(root: int) -> list[int]:
    """Return the ids of a process and all that descend from it, parents first."""
    children: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; the parent is the second field after it.
            parent = int(path.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children[parent].append(int(path.parent.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that descend from it at once, and wait for it."""
    if process.poll() is None:
        for pid in tree(process.pid):
            send(pid, signal.SIGKILL)
    process.wait()


def ranks_of(agent: int) -> dict[int, int]:
    """Return the process ids of the ranks that a torchrun agent has started, by rank."""
    found: dict[int, int] = {}
    for pid in tree(agent)[1:]:
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ranks = [int(line[5:]) for line in variables if line.startswith(b"RANK=") and line[5:].isdigit()]
        # Parents come first: what a rank has started itself inherits its variables.
        if ranks:
            found.setdefault(ranks[0], pid)
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone is none of our business any more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
