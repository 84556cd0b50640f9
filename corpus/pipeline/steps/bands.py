"""Band keys of the documents of one part, for near-duplicates; exact copies need none."""

from __future__ import annotations

import numpy as np

from corpus.dedup.keys import write_bands
from corpus.dedup.minhash import BandHasher
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.stats import Stats
from corpus.pipeline.tables import read_range, read_rows
from corpus.pipeline.task import Done, Task
from corpus.pipeline.work import Work


def run(task: Task, settings: BuildSettings, work: Work) -> Done:
    """Write the keys of each document that has shingles."""
    hasher, stats = BandHasher(settings.profile), Stats()
    copies = read_range(work.copies, task.offset, task.offset + task.rows)
    numbers: list[int] = []
    keys = np.empty((task.rows, settings.profile.bands), np.uint64)
    for number, row in enumerate(read_rows(work.read(task.name), columns=["content"]), task.offset):
        if number in copies:
            continue
        found = hasher.keys(row["content"].encode())
        if found is None:
            stats.no_shingles += 1
        else:
            keys[len(numbers)] = found
            numbers.append(number)
    write_bands(work.bands(task.name), np.array(numbers, np.int64), keys[: len(numbers)])
    return Done(key=task.key, stats={"fuzzy": stats})
