"""From the first rank to the last: start, watch, stop when asked to, and tell how it ended."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from opencoder.errors import DependencyError, OpenCoderError
from opencoder.files import make_folder, write_bytes
from opencoder.log import logger
from train.run import processes
from train.run.ending import TORCHRUN_LOG, failure, judge, stopped
from train.run.evals import Evals
from train.run.folder import CONSOLE, Finished, read_finished
from train.run.torchrun import Launch, link_consoles
from train.run.watch import Watch, Watchdog
from train.spec import METRICS, STOP

log = logger.getChild("train")
TICK_S = 0.25
STACKS_S = 3.0
"""Time that ranks get to write their stacks before a run that hangs is ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A run that is ready.

    Attributes:
        folder: The run folder, with its spec.
        name: What is trained, for the user.
        steps: Steps of the whole run.
        launch: What starts the ranks.
        resume: The command that goes on after a stop.
        hang_s: Longest silence; 0 waits for ever.
        evals: What is scored meanwhile.
    """

    folder: Path
    name: str
    steps: int
    launch: Launch
    resume: str
    hang_s: float = 0.0
    evals: Evals | None = None


class Signals:
    """Counts Ctrl-C and SIGTERM in place of ending this process. Use it as a context manager.

    Attributes:
        count: How many have come.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: Mapping[signal.Signals, object] = {}

    def _come(self, number: int, frame: FrameType | None) -> None:
        self.count += 1

    def __enter__(self) -> Self:
        # Handlers belong to the main thread; elsewhere nobody sends us any.
        if threading.current_thread() is threading.main_thread():
            kinds = (signal.SIGINT, signal.SIGTERM)
            self._before = {kind: signal.signal(kind, self._come) for kind in kinds}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def supervise(job: Job) -> Finished:
    """Train, and return how it ended.

    The first Ctrl-C or SIGTERM lets the ranks save and end; a second one kills them.

    Raises:
        Interrupted: The user stopped it.
        InfraError: It showed no sign of life, or a rank was killed.
        OpenCoderError: The ranks failed; the kind is the cause's.
    """
    make_folder(job.folder / CONSOLE)
    with Signals() as signals:
        process = processes.start(job.launch.command, job.launch.env, job.folder / CONSOLE / TORCHRUN_LOG)
        try:
            return _watch(job, process, signals)
        finally:
            processes.kill_tree(process)
            if job.evals is not None:
                job.evals.close()


def _watch(job: Job, process: subprocess.Popen[bytes], signals: Signals) -> Finished:
    watchdog = Watchdog(job.folder, job.hang_s)
    with Watch(job.folder, f"training {job.name}", job.steps) as watch:
        asked = False
        while not _has_ended(process):
            watch.look()
            link_consoles(job.folder)
            _score(job)
            if signals.count and not asked:
                asked = True
                _ask_to_stop(job.folder)
            if signals.count > 1:
                processes.kill_tree(process)
                raise stopped(job.folder, None, job.resume)
            if watchdog.is_hanging():
                raise _hanging(job, process)
    link_consoles(job.folder)
    # It has been heeded; left there it would end the next session at once.
    (job.folder / STOP).unlink(missing_ok=True)
    finished = judge(job.folder, process.returncode, job.resume)
    if signals.count and finished.reason == "stopped":
        raise stopped(job.folder, finished, job.resume)
    _score_the_rest(job, signals)
    return finished


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(TICK_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _ask_to_stop(folder: Path) -> None:
    log.info("stopping: the step in hand is finished and saved; once more ends it at once, without saving")
    try:
        write_bytes(folder / STOP, b"")
    except DependencyError as error:
        log.error("%s", error)


def _hanging(job: Job, process: subprocess.Popen[bytes]) -> OpenCoderError:
    """Have every rank write its stacks, and say that nothing moves."""
    for pid in processes.ranks_of(process.pid).values():
        processes.send(pid, signal.SIGUSR2)
    time.sleep(STACKS_S)
    cause = (
        f"no sign of life for {job.hang_s / 60:g} minutes: no line in {METRICS}, no byte of a checkpoint; "
        f"the stacks of the ranks are in {job.folder / CONSOLE}/rank-*.txt"
    )
    return failure(job.folder, "infra", cause, job.resume)


def _score(job: Job) -> None:
    if job.evals is None:
        return
    try:
        job.evals.tick()
    except (OpenCoderError, OSError) as error:
        log.warning("evaluation: %s", error)


def score_the_rest(job: Job) -> None:
    """Wait for the evaluations that are left when the training is done.

    Raises:
        Interrupted: The user stopped it.
    """
    with Signals() as signals:
        try:
            _score_the_rest(job, signals)
        finally:
            if job.evals is not None:
                job.evals.close()


def _score_the_rest(job: Job, signals: Signals) -> None:
    """Wait for the evaluations that are left when the training is done."""
    _score(job)
    if job.evals is None or job.evals.is_idle:
        return
    log.info("training is done; %d checkpoints are still to be scored", len(job.evals.waiting))
    while not job.evals.is_idle:
        if signals.count:
            raise stopped(job.folder, read_finished(job.folder), job.resume)
        _score(job)
        time.sleep(TICK_S)
