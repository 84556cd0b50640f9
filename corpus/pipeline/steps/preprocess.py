"""From what was read to documents in a known language; the rest is rejected with its reason.

Rules of the paper (arXiv:2411.04905, section 2.1): at most 8 MB, only languages of the set. Text must be
UTF-8, or UTF-16 with a byte order mark; a NUL marks binary data.
"""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from corpus.document import Document, Unread
from corpus.languages import detect
from corpus.pipeline.rejects import Row, reject_row, unread_row
from corpus.pipeline.settings import BuildSettings, chosen_languages
from corpus.pipeline.stats import Stats, count
from corpus.pipeline.tables import REJECTS, WORK, TableWriter
from corpus.pipeline.task import Done, Part, Task
from corpus.pipeline.work import Work
from corpus.readers.read import read_shard
from corpus.readers.shard import Shard

STEP = "preprocess"
_HEAD_BYTES = 16 << 10
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a document goes no further."""

    reason: str
    detail: str = ""
    language: str | None = None


def run(task: Task, settings: BuildSettings, work: Work) -> Done:
    """Read one shard of the input and write its documents in parts, and its rejects."""
    shard = msgspec.json.decode(work.shard(task.name).read_bytes(), type=Shard)
    stats, parts = Stats(), _Parts(work, task.name, settings.shard_bytes)
    languages = chosen_languages(settings.languages)
    with TableWriter(work.read_rejects(task.name), REJECTS) as rejects, parts:
        for item in read_shard(shard, max_bytes=settings.max_bytes, notebooks=settings.notebooks):
            if isinstance(item, Unread):
                stats.take(item.num_bytes)
                stats.reject(item.reason)
                rejects.add(unread_row(item))
                continue
            stats.take(len(item.content))
            found = prepare(item, languages, settings.max_bytes)
            if isinstance(found, Rejected):
                stats.reject(found.reason)
                if found.reason == "language":
                    count(stats.outside, found.language or "")
                rejects.add(_rejected_row(item, found))
                continue
            language, doc_type = found[3], found[4]
            stats.accept(language, doc_type, len(item.content))
            parts.add(found, len(item.content))
    return Done(key=task.key, parts=parts.done, stats={STEP: stats})


def prepare(document: Document, languages: frozenset[str] | None, max_bytes: int) -> Row | Rejected:
    """Return the row of a document in ``WORK``, or why it has none.

    Args:
        document: What was read.
        languages: Those that are taken; None for all that are known and not excluded.
        max_bytes: Largest document.
    """
    content = document.content
    if not content:
        return Rejected("empty")
    if len(content) > max_bytes:
        return Rejected("size", f"{len(content)} bytes; at most {max_bytes} are taken")
    name = document.path or document.id
    found = detect(name, content[:_HEAD_BYTES])
    if found.doc_type == "unknown":
        return Rejected("unknown", "neither its name nor its first bytes tell a language")
    if found.doc_type == "excluded":
        return Rejected("excluded", f"{found.language} is on the exclusion list", found.language)
    if languages is not None and found.language not in languages:
        return Rejected("language", f"{found.language} is not in the set", found.language)
    text = _text(content)
    if isinstance(text, Rejected):
        return Rejected(text.reason, text.detail, found.language)
    digest = hashlib.sha256(content).digest()
    facts = (document.id, document.path, document.repo, found.language, found.doc_type)
    origin = (document.stars, document.commit_time, document.license)
    return [*facts, *origin, digest, len(content), text]


def _text(content: bytes) -> str | Rejected:
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        return Rejected("encoding", f"not {encoding.removesuffix('-sig').upper()} at byte {error.start}")
    if "\0" in text:
        return Rejected("binary", f"a NUL at character {text.index(chr(0))}")
    return text if text.strip() else Rejected("empty", "white space only")


def _rejected_row(document: Document, rejected: Rejected) -> Row:
    digest = hashlib.sha256(document.content).hexdigest()
    return reject_row(
        STEP,
        rejected.reason,
        id=document.id,
        path=document.path,
        repo=document.repo,
        language=rejected.language,
        sha256=digest,
        size_bytes=len(document.content),
        detail=rejected.detail or None,
    )


class _Parts:
    """Cuts the documents of a shard into files of bounded size. Use it as a context manager."""

    def __init__(self, work: Work, shard: str, most_bytes: int) -> None:
        self._work, self._shard, self._most_bytes = work, shard, most_bytes
        self._writer: TableWriter | None = None
        self.done: list[Part] = []

    def add(self, row: Row, num_bytes: int) -> None:
        """Add a document."""
        if self._writer is None:
            name = f"{self._shard}-{len(self.done):04}"
            self._writer = TableWriter(self._work.read(name), WORK).__enter__()
        self._writer.add(row, num_bytes=num_bytes)
        if self._writer.num_bytes >= self._most_bytes:
            self._end()

    def _end(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.__exit__(None, None, None)
            name = writer.path.name.removesuffix(".parquet")
            self.done.append(Part(name=name, rows=writer.rows, num_bytes=writer.num_bytes))

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self._end()
        elif self._writer is not None:
            self._writer.__exit__(kind, error, trace)
