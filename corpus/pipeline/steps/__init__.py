"""The steps of a build, each from shard to shard; ``run_task`` calls the one that a task names."""

from __future__ import annotations

import importlib
import resource
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.task import Done, Task, as_failure
from corpus.pipeline.work import Work
from opencoder.errors import OpenCoderError

NAMES = ("preprocess", "bands", "shingles", "similar", "refine", "write")


def run_task(data: bytes) -> bytes:
    """Do a task in this process. An error of ours is part of the answer; any other is a fault and is raised.

    Args:
        data: A ``Task`` as MessagePack.

    Returns:
        A ``Done`` as MessagePack.
    """
    task = msgspec.msgpack.decode(data, type=Task)
    work = Work(Path(task.out))
    started = time.process_time()
    try:
        settings = msgspec.json.decode(work.settings.read_bytes(), type=BuildSettings)
        done = _step(task.step)(task, settings, work)
    except OpenCoderError as error:
        done = Done(key=task.key, failure=as_failure(error))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    cpu_s = time.process_time() - started
    done = msgspec.structs.replace(done, num_bytes=task.num_bytes, cpu_s=cpu_s, rss_bytes=peak)
    return msgspec.msgpack.encode(done)


def _step(name: str) -> Callable[[Task, BuildSettings, Work], Done]:
    if name not in NAMES:
        raise ValueError(f"no step {name!r}")
    run: Callable[[Task, BuildSettings, Work], Done] = importlib.import_module(f"{__name__}.{name}").run
    return run
