"""How a run ended: the cause that its ranks and torchrun left behind, as one line with the way on."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

from opencoder.errors import (
    DataError,
    DependencyError,
    GateError,
    InfraError,
    Interrupted,
    OpenCoderError,
    UserError,
)
from opencoder.store import read_json
from train import checkpoints
from train.run.folder import CONSOLE, Finished, Kind, RankError, newest, read_finished
from train.spec import CHECKPOINTS, ERRORS

TORCHRUN_LOG = "torchrun.txt"
_FAILURE = re.compile(r"rank\s*: (\d+) \(local_rank.*?\n\s*exitcode\s*: (-?\d+)")
_TAIL_BYTES = 1 << 16
_RANK = re.compile(r"rank-(\d+)\.json")
# Sent by torchrun itself to the ranks that are left when one has failed.
_BY_TORCHRUN = {-int(signal.SIGTERM)}
_KINDS: dict[Kind, Callable[[str], OpenCoderError]] = {
    "user": UserError,
    "data": DataError,
    "infra": InfraError,
    "gate": GateError,
    "internal": OpenCoderError,
}
_LAST_WORDS: tuple[tuple[str, Kind, str], ...] = (
    ("No space left on device", "dependency", "disk is full; free some space, then go on"),
    ("Disk quota exceeded", "dependency", "disk quota is used up; free some space, then go on"),
    ("OutOfMemoryError", "user", "GPU memory ran out; lower --micro"),
    ("CUDA out of memory", "user", "GPU memory ran out; lower --micro"),
    ("Connection closed by peer", "infra", "the connection between the ranks broke"),
    ("NCCL", "infra", "the connection between the ranks broke"),
)
_SIGNALS = {
    signal.SIGKILL: "killed by SIGKILL (kill -9, or by the kernel for want of memory: see dmesg)",
    signal.SIGBUS: "killed by SIGBUS (a mapped file was cut off, or shared memory ran out)",
}


def judge(folder: Path, code: int, resume: str) -> Finished:
    """Return how the ranks of a run ended, or raise why they failed.

    Args:
        folder: The run folder.
        code: Exit code of torchrun.
        resume: Command that goes on.

    Raises:
        OpenCoderError: They failed; the kind is the cause's, and the message holds rank, cause, the last
            whole checkpoint and the way on.
    """
    finished = read_finished(folder)
    if code == 0 and finished is not None:
        return finished
    if code == 0:
        raise failure(folder, "internal", "the ranks ended without a word", resume)
    kind, cause = find_cause(folder, code)
    raise failure(folder, kind, cause, resume)


def failure(folder: Path, kind: Kind, cause: str, resume: str) -> OpenCoderError:
    """Return an error of a kind whose message names cause, last whole checkpoint and the way on."""
    message = f"{' '.join(cause.split()).rstrip('.;')}; {last_good(folder)}"
    if kind == "dependency":
        return DependencyError(message, repair=resume)
    return _KINDS[kind](f"{message}; to go on: {resume}")


def stopped(folder: Path, finished: Finished | None, resume: str) -> Interrupted:
    """Return the error that says that the user stopped the run."""
    if finished is None:
        return Interrupted(f"killed; {last_good(folder)}; to go on: {resume}")
    return Interrupted(f"stopped and saved at step {finished.step}; to go on: {resume}")


def last_good(folder: Path) -> str:
    """Say which checkpoint a run would go on from."""
    step = newest(folder)
    if step is None:
        return "there is no checkpoint yet, so it will begin anew"
    return f"last whole checkpoint: {checkpoints.step_folder(folder / CHECKPOINTS, step)}"


def find_cause(folder: Path, code: int) -> tuple[Kind, str]:
    """Return kind and cause of a failure of the ranks.

    A rank that was killed cannot tell, while the others then tell of broken connections: it comes first.
    Then what a rank wrote to ``errors/``, the earliest first; then its last words on the console.
    """
    failures = _failures(folder)
    killed = {rank: -exit_code for rank, exit_code in failures.items() if _is_kill(exit_code)}
    told = _told(folder)
    for rank, number in killed.items():
        if rank not in told:
            return "infra", f"rank {rank} was {_signal_words(number)}"
    if told:
        rank = next((rank for rank in failures if rank in told), next(iter(told)))
        return told[rank].kind, f"rank {rank}: {told[rank].message}"
    if failures:
        rank = next(iter(failures))
        return _last_words(folder / CONSOLE / f"rank-{rank}.txt", f"rank {rank}", failures[rank])
    return _last_words(folder / CONSOLE / TORCHRUN_LOG, "torchrun", code)


def _is_kill(exit_code: int) -> bool:
    return exit_code < 0 and exit_code not in _BY_TORCHRUN


def _failures(folder: Path) -> dict[int, int]:
    """Return the exit codes of the ranks that torchrun saw fail, its root cause first."""
    text = _tail(folder / CONSOLE / TORCHRUN_LOG)
    head, mark, root = text.rpartition("Root Cause (first observed failure)")
    found = [*_FAILURE.findall(root), *_FAILURE.findall(head)] if mark else []
    failures: dict[int, int] = {}
    for rank, code in found:
        failures.setdefault(int(rank), int(code))
    return failures


def _told(folder: Path) -> dict[int, RankError]:
    """Return what ranks wrote about their failure, the earliest first; a file that is cut off counts too."""
    files = [
        (path, match)
        for path in (folder / ERRORS).glob("rank-*.json")
        if (match := _RANK.fullmatch(path.name))
    ]
    told: dict[int, RankError] = {}
    for path, match in sorted(files, key=lambda item: (item[0].stat().st_mtime_ns, int(item[1][1]))):
        try:
            told[int(match[1])] = read_json(path, RankError)
        except DataError:
            continue
    return told


def _last_words(log: Path, who: str, code: int) -> tuple[Kind, str]:
    text = _tail(log)
    for mark, kind, cause in _LAST_WORDS:
        if mark in text:
            return kind, f"{who}: {cause}; see {log}"
    if code < 0:
        return "infra", f"{who} was {_signal_words(-code)}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = f": {lines[-1][:300]}" if lines else ""
    return "internal", f"{who} ended with exit code {code}{said}; see {log}"


def _signal_words(number: int) -> str:
    try:
        name = signal.Signals(number)
    except ValueError:
        return f"killed by signal {number}"
    return _SIGNALS.get(name, f"killed by {name.name}")


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
