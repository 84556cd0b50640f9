"""What the options of the command mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from corpus.dedup.profiles import choose_profile
from corpus.options import BuildOptions
from corpus.pipeline.local import PARENT_BYTES, WORKER_BYTES, workers_for
from corpus.pipeline.machine import Machine
from corpus.pipeline.settings import BuildSettings, chosen_languages, parse_bytes, parse_caps
from opencoder.errors import UserError
from opencoder.log import logger


def settings_of(sources: Sequence[str], options: BuildOptions) -> BuildSettings:
    """Return the settings of a build.

    Raises:
        UserError: A value cannot be used.
    """
    if not sources:
        raise UserError("no input; name folders, files or hub ids")
    if options.verify is not None and not 0 <= options.verify <= 1:
        raise UserError(f"--verify must be from 0 to 1, not {options.verify}")
    chosen_languages(options.languages)  # a wrong name is told before any work
    profile = choose_profile(
        options.profile,
        bands=options.bands,
        rows=options.rows,
        num_perm=options.num_perm,
        shingle=options.shingle,
    )
    return BuildSettings(
        sources=tuple(sources),
        stars=None if options.stars is None else str(options.stars),
        skip_bad=options.skip_bad,
        shard_bytes=parse_bytes(options.shard_bytes),
        max_bytes=parse_bytes(options.max_bytes),
        notebooks=options.notebooks,
        languages=options.languages,
        level=options.level,
        profile=profile,
        verify=options.verify,
        redact=options.redact,
        filter=options.filter,
        mode=options.mode,
        caps=parse_caps(options.cap),
        seed=options.seed,
    )


def machine_of(options: BuildOptions) -> Machine:
    """Return what a build may use of this machine.

    Raises:
        UserError: The memory is too little for one worker, or the number of workers is wrong.
    """
    memory = _free_bytes() * 3 // 4 if options.memory is None else parse_bytes(options.memory)
    least = PARENT_BYTES + WORKER_BYTES
    if options.memory is not None and memory < least:
        raise UserError(f"--memory must be at least {-(-least // 10**6)}MB, not {options.memory}")
    wanted = len(os.sched_getaffinity(0)) if options.workers is None else options.workers
    if wanted < 1:
        raise UserError(f"--workers must be at least 1, not {options.workers}")
    fit = workers_for(memory, wanted)
    if fit < wanted and options.executor == "local":
        needed = -(-(PARENT_BYTES + wanted * WORKER_BYTES) // 10**6)
        logger.warning("memory for %d of %d workers; for all of them give --memory %dMB", fit, wanted, needed)
    return Machine(executor=options.executor, workers=fit, memory_bytes=memory)


def _free_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) << 10
    return 4 << 30
