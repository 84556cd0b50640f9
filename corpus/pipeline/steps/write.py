"""The files of the result: what is left of some shards, and what they lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpus.pipeline.rejects import document_row
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.stats import Stats
from corpus.pipeline.tables import DOCUMENTS, REJECTS, TableWriter, file_digest, read_range, read_rows
from corpus.pipeline.task import Done, Part, Task
from corpus.pipeline.work import Work

STEP = "sample"
MOST_BYTES = 512 << 20
"""Contents of one file of documents; a shard that has more gets several."""


def run(task: Task, settings: BuildSettings, work: Work) -> Done:
    """Write ``documents/NAME-*.parquet`` and ``rejects/NAME.parquet`` of several shards, in their order."""
    stats, documents = Stats(), _Files(work.out / "documents", task.name)
    sampled_out = read_range(work.sampled_out, task.offset, task.offset + task.rows)
    rejects_path = work.out / "rejects" / f"part-{task.name}.parquet"
    with TableWriter(rejects_path, REJECTS) as rejects:
        for shard in task.shards:
            for row in read_rows(work.read_rejects(shard)):
                rejects.add(list(row.values()))
            for part in (part for part in task.parts if part.startswith(f"{shard}-")):
                for row in read_rows(work.refined_rejects(part)):
                    rejects.add(list(row.values()))
                for document in read_rows(work.refined(part)):
                    size = document["refined_bytes"]
                    stats.take(size)
                    if document["number"] in sampled_out:
                        stats.reject("cap")
                        rejects.add(document_row(document, STEP, "cap"))
                    else:
                        facts = (document["language"], document["doc_type"])
                        stats.accept(*facts, size, document["natural_language"])
                        documents.add(document, size)
    documents.close()
    digest, size = file_digest(rejects_path)
    rejected = Part(
        name=f"rejects/{rejects_path.name}",
        rows=rejects.rows,
        num_bytes=0,
        sha256=digest,
        file_bytes=size,
    )
    return Done(key=task.key, parts=documents.done, rejects=[rejected], stats={STEP: stats})


class _Files:
    """Files of documents of bounded size."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._writer: TableWriter | None = None
        self.done: list[Part] = []

    def add(self, document: dict[str, Any], size: int) -> None:
        """Add a document of the work files."""
        if self._writer is None:
            path = self._folder / f"part-{self._name}-{len(self.done):03}.parquet"
            self._writer = TableWriter(path, DOCUMENTS).__enter__()
        row = document | {"sha256": document["sha256"].hex()}
        self._writer.add([row[name] for name in DOCUMENTS.names], num_bytes=size)
        if self._writer.num_bytes >= MOST_BYTES:
            self.close()

    def close(self) -> None:
        """End the last file."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        writer.__exit__(None, None, None)
        digest, size = file_digest(writer.path)
        name = f"documents/{writer.path.name}"
        self.done.append(
            Part(name=name, rows=writer.rows, num_bytes=writer.num_bytes, sha256=digest, file_bytes=size)
        )
