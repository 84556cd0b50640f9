"""Deduplication as decided, transform and filter: what each document of a part goes through alone."""

from __future__ import annotations

import hashlib
from typing import Any

from corpus.filters.base import Hit
from corpus.judge import judge
from corpus.languages import Detected
from corpus.natural import natural_language
from corpus.pipeline.rejects import document_row, filtered_row
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.stats import Stats, count
from corpus.pipeline.suspects import note
from corpus.pipeline.tables import REFINED, REJECTS, TableWriter, read_range, read_rows
from corpus.pipeline.task import Done, Part, Task
from corpus.pipeline.work import Work
from corpus.redact.redact import redact

REASONS = {"exact": "copy", "fuzzy": "near-duplicate"}


def run(task: Task, settings: BuildSettings, work: Work) -> Done:
    """Take the documents of one part through the steps."""
    stats = {name: Stats() for name in ("exact", "fuzzy", "transform", "filter")}
    refine = _Refine(settings, stats)
    duplicates = read_range(work.duplicates, task.offset, task.offset + task.rows)
    with (
        TableWriter(work.refined(task.name), REFINED) as out,
        TableWriter(work.refined_rejects(task.name), REJECTS) as rejects,
    ):
        for number, document in enumerate(read_rows(work.read(task.name)), task.offset):
            note(task, work, number)
            duplicate = duplicates.get(number)
            rejected = refine.duplicate(document, duplicate)
            if rejected is None and number in task.skip:
                rejected = refine.crashed(document)
            elif rejected is None:
                rejected = refine.transform_and_filter(document)
            if rejected is not None:
                rejects.add(rejected)
            else:
                size = len(document["content"].encode())
                out.add([number, size, *document.values()], num_bytes=size)
    part = Part(name=task.name, rows=out.rows, num_bytes=out.num_bytes)
    return Done(key=task.key, parts=[part], stats=stats)


def base_name(document: dict[str, Any]) -> str:
    """Return the name of a document without its folders."""
    name: str = document["path"] or document["id"]
    return name.replace("\\", "/").rpartition("/")[2]


class _Refine:
    """The steps over single documents, and what they count."""

    def __init__(self, settings: BuildSettings, stats: dict[str, Stats]) -> None:
        self.settings, self.stats = settings, stats

    def duplicate(self, document: dict[str, Any], duplicate: dict[str, Any] | None) -> Any:
        """Return the reject of a document that another one stands for, None if there is none."""
        size, facts = document["size_bytes"], (document["language"], document["doc_type"])
        for step in ("exact", "fuzzy"):
            stats = self.stats[step]
            stats.take(size)
            if duplicate is not None and duplicate["reason"] == step:
                stats.reject(REASONS[step])
                kept = {"kept_id": duplicate["kept_id"], "jaccard": duplicate["jaccard"]}
                return document_row(document, step, REASONS[step], **kept)
            stats.accept(*facts, size)
        return None

    def transform_and_filter(self, document: dict[str, Any]) -> Any:
        """Change the document's content in place, and return its reject if rules drop it."""
        self._transform(document)
        text: str = document["content"]
        size, facts = len(text.encode()), (document["language"], document["doc_type"])
        stats = self.stats["filter"]
        stats.take(size)
        hits = self._judge(document, text, size) if self.settings.filter else ()
        if hits:
            stats.reject(hits[0].rule.name)
            return filtered_row(document, hits)
        document.setdefault("natural_language", natural_language(text))
        stats.accept(*facts, size, document["natural_language"])
        return None

    def crashed(self, document: dict[str, Any]) -> Any:
        """Return the reject of a document that ended the worker which looked at it."""
        size, facts = document["size_bytes"], (document["language"], document["doc_type"])
        self.stats["transform"].take(size)
        self.stats["transform"].accept(*facts, size)
        self.stats["filter"].take(size)
        self.stats["filter"].reject("crash")
        return document_row(document, "filter", "crash", detail="workers ended over it")

    def _judge(self, document: dict[str, Any], text: str, size: int) -> tuple[Hit, ...]:
        judged = judge(
            text,
            filename=base_name(document),
            size_bytes=size,
            detected=Detected(document["language"], document["doc_type"]),
            mode=self.settings.mode,
        )
        stats = self.stats["filter"]
        for signal in judged.measured.errors:
            count(stats.errors, signal)
        hits = judged.hits
        if judged.verdict.decision == "random":
            # The released filter draws a number; a hash of the content gives the same answer on every run.
            drawn = judged.verdict.random_hits
            hits = tuple(hit for hit in drawn if _share(document, hit.rule.name) < hit.rule.chance)
        stats.judge(hits, name=document["id"], language=document["language"], text=text)
        document["natural_language"] = judged.natural_language
        return hits

    def _transform(self, document: dict[str, Any]) -> None:
        stats, text = self.stats["transform"], document["content"]
        stats.take(len(text.encode()))
        if self.settings.redact:
            done = redact(text, language=document["language"], filename=base_name(document))
            for kind, places in done.counts.items():
                count(stats.replaced, kind, places)
                count(stats.replaced_in, kind)
            document["content"] = done.text
        stats.accept(document["language"], document["doc_type"], len(document["content"].encode()))


def _share(document: dict[str, Any], rule: str) -> float:
    digest = hashlib.sha256(document["sha256"] + rule.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
