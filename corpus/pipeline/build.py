"""A build from start to end, or from where an earlier session was stopped.

1. Cut the inputs into shards; files that cannot be read are found here.
2. *preprocess*, a task per shard: documents in parts of bounded size, rejects.
3. *exact* and *fuzzy*, over keys of all documents, with tasks per part in between (``duplicates``).
4. *refine*, a task per part: drop duplicates, transform, filter.
5. *sample*, over the sizes of what is left; then the files of the result, report, card and manifest.

A finished task stands in the ledger of the run folder, its files were renamed into place before; a killed
build goes on with the tasks that are left. Tasks depend on input and settings alone, so the bytes of the
result do too.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from corpus.database import open_database
from corpus.pipeline import duplicates, outputs, sample
from corpus.pipeline.executors import Executor
from corpus.pipeline.gather import build_report, total
from corpus.pipeline.machine import Machine
from corpus.pipeline.phases import Phases, numbered
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.stats import Stats
from corpus.pipeline.task import Done, Part, Task
from corpus.pipeline.work import Work
from corpus.readers.plan import plan_inputs
from corpus.readers.shard import InputPlan
from opencoder.files import write_bytes
from opencoder.log import logger
from opencoder.runs import Run

VOLATILE = frozenset({"out", "executor", "workers", "memory", "resume", "config", "json", "quiet", "verbose"})
"""Settings of the command that change how a build goes but not what comes out."""

_OUTPUT_BYTES = 256 << 20


def build(
    settings: BuildSettings, out: Path, machine: Machine, *, config: Any, resume: bool = True
) -> outputs.Summary:
    """Build a corpus in ``out``, or go on with the build there.

    Args:
        settings: What decides the outcome.
        out: Folder of the result.
        machine: What may be used.
        config: Settings of the command, for the record of the run.
        resume: Go on with what is there; otherwise it is set aside.

    Raises:
        UserError: An input or a setting cannot be used, or the folder holds another build.
        DependencyError: The disk is full, or Ray is missing.
        InfraError: A worker died again and again.
    """
    with Run.open(out, command="corpus build", config=config, resume=resume, volatile=VOLATILE) as run:
        plan = plan_inputs(
            settings.sources,
            shard_bytes=settings.shard_bytes,
            stars=None if settings.stars is None else Path(settings.stars),
            skip_bad=settings.skip_bad,
            skip=out,
        )
        for place, reason in plan.bad.items():
            logger.warning("skipped: %s: %s", place, reason)
        digest = outputs.plan_digest(plan)
        if summary := outputs.finished(out, digest):
            logger.info("%s is finished; nothing to do", out)
            return summary
        with machine.open() as executor:
            return _Build(run, settings, plan, digest, machine, executor).go()


class _Build:
    """The steps of a build in their order."""

    def __init__(
        self,
        run: Run,
        settings: BuildSettings,
        plan: InputPlan,
        digest: str,
        machine: Machine,
        executor: Executor,
    ) -> None:
        self.run, self.settings, self.plan, self.digest, self.machine = run, settings, plan, digest, machine
        self.work = Work(run.folder)
        for name in outputs.NAMES:
            run.path(name)
        self.phases = Phases(run, executor)
        self.shards = [f"{number:06}" for number in range(len(plan.shards))]

    def go(self) -> outputs.Summary:
        """Do them all."""
        self._prepare()
        read = self._preprocess()
        parts = numbered(part for done in read for part in done.parts)
        near = duplicates.find(self.settings, self.work, self.machine, self.phases, parts)
        refined = self.phases.map("refine", [self._part_task("refine", part) for part in parts])
        stats = total(done.stats for done in [*read, *refined])
        caps = self._sample(stats["filter"], [part for done in refined for part in done.parts])
        written = self._write(parts, {part.name: part for done in refined for part in done.parts})
        stats = total(done.stats for done in [*read, *near.done, *refined, *written])
        report = build_report(
            self.settings, stats, bad=self.plan.bad, duplicates=near.report(stats), caps=caps
        )
        summary = outputs.finish(
            self.run,
            report,
            written,
            self.digest,
            workers=self.phases.executor.slots,
            memory_bytes=self.machine.memory_bytes,
            tasks=self.phases.table,
        )
        shutil.rmtree(self.work.folder, ignore_errors=True)
        return summary

    def _prepare(self) -> None:
        self.work.prepare()
        outputs.prepare(self.run.folder)
        inputs = self.work.folder / "inputs"
        if inputs.exists() and inputs.read_text() != self.digest:
            raise outputs.inputs_changed(self.run.folder)
        write_bytes(self.work.settings, msgspec.json.encode(self.settings))
        for name, shard in zip(self.shards, self.plan.shards, strict=True):
            if not inputs.exists():
                self.work.shard(name).write_bytes(msgspec.json.encode(shard))
        write_bytes(inputs, self.digest.encode())

    def _preprocess(self) -> list[Done]:
        tasks = [
            Task(step="preprocess", name=name, out=str(self.run.folder), num_bytes=shard.num_bytes)
            for name, shard in zip(self.shards, self.plan.shards, strict=True)
        ]
        return self.phases.map("preprocess", tasks)

    def _part_task(self, step: str, part: tuple[int, Part]) -> Task:
        offset, what = part
        return Task(
            step=step,
            name=what.name,
            out=str(self.run.folder),
            offset=offset,
            rows=what.rows,
            num_bytes=what.num_bytes,
        )

    def _sample(self, filtered: Stats, refined: Sequence[Part]) -> dict[str, int]:
        caps = sample.caps_for(self.settings.caps, filtered.languages)
        if not self.work.sampled_out.exists():
            with open_database(
                self.work.folder / "spill", memory_mb=self.machine.database_mb, threads=self.machine.workers
            ) as database:
                files = [self.work.refined(part.name) for part in refined]
                sample.find_surplus(database, files, caps, self.settings.seed, self.work.sampled_out)
        return caps

    def _write(self, parts: Sequence[tuple[int, Part]], refined: dict[str, Part]) -> list[Done]:
        of_shard: dict[str, list[tuple[int, Part]]] = {name: [] for name in self.shards}
        for offset, part in parts:
            of_shard[part.name.partition("-")[0]].append((offset, part))
        tasks: list[Task] = []
        group: list[str] = []
        size = 0
        for name in self.shards:
            group.append(name)
            size += sum(refined[part.name].num_bytes for _, part in of_shard[name])
            if size >= _OUTPUT_BYTES:
                tasks.append(self._write_task(len(tasks), group, of_shard, size))
                group, size = [], 0
        if group:
            tasks.append(self._write_task(len(tasks), group, of_shard, size))
        return self.phases.map("write", tasks)

    def _write_task(
        self, number: int, shards: list[str], of_shard: dict[str, list[tuple[int, Part]]], num_bytes: int
    ) -> Task:
        parts = [part for name in shards for part in of_shard[name]]
        return Task(
            step="write",
            name=f"{number:05}",
            out=str(self.run.folder),
            offset=parts[0][0] if parts else 0,
            rows=sum(part.rows for _, part in parts),
            parts=tuple(part.name for _, part in parts),
            shards=tuple(shards),
            num_bytes=num_bytes,
        )
