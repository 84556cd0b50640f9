"""Band keys of the documents of one part, for near-duplicates; exact copies need none."""

from __future__ import annotations

from corpus.dedup.keys import BandWriter
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
    with BandWriter(work.bands(task.name), settings.profile.bands) as out:
        for number, row in enumerate(read_rows(work.read(task.name), columns=["content"]), task.offset):
            if number in copies:
                continue
            keys = hasher.keys(row["content"].encode())
            if keys is None:
                stats.no_shingles += 1
            else:
                out.add(number, keys)
    return Done(key=task.key, stats={"fuzzy": stats})
