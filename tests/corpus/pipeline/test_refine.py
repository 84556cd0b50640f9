"""A document over which workers ended is a reject like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.steps import preprocess, refine
from corpus.pipeline.tables import DUPLICATES
from corpus.pipeline.task import Task
from corpus.pipeline.work import Work
from corpus.readers.plan import plan_inputs
from tests.corpus.pipeline.conftest import STDLIB

NAMES = ("csv.py", "textwrap.py", "zipfile.py")


def test_documents_to_skip_are_rejected_as_crash(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in NAMES:
        shutil.copy(STDLIB / name, source)
    settings = BuildSettings(sources=(str(source),), level="none")
    work = Work(tmp_path)
    work.prepare()
    [shard] = plan_inputs(settings.sources).shards
    work.shard("0").write_bytes(msgspec.json.encode(shard))
    task = Task(step="preprocess", name="0", out=str(tmp_path))
    [part] = preprocess.run(task, settings, work).parts
    pq.write_table(DUPLICATES.empty_table(), work.duplicates)
    task = Task(step="refine", name=part.name, out=str(tmp_path), rows=part.rows, careful=True, skip=(1,))
    done = refine.run(task, settings, work)
    rejects = pq.read_table(work.refined_rejects(part.name)).to_pylist()
    assert [(row["path"], row["step"], row["reason"]) for row in rejects] == [
        ("textwrap.py", "filter", "crash")
    ]
    kept = pq.read_table(work.refined(part.name)).to_pylist()
    assert [row["path"] for row in kept] == ["csv.py", "zipfile.py"]
    assert done.stats["filter"].rejected == {"crash": 1}
    assert work.suspect(task.key).read_bytes() == b"2"
