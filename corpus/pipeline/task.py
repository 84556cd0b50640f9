"""A piece of work for one worker, and what it says when it is done. Both travel as bytes."""

from __future__ import annotations

import msgspec

from corpus.pipeline.stats import Stats
from opencoder.errors import DataError, DependencyError, InfraError, OpenCoderError, UserError


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a step.

    Attributes:
        step: Name of the step (``corpus.pipeline.steps``).
        name: Which shard, part or partition; with the step its key.
        out: Folder of the build.
        offset: Number of its first document in the whole corpus.
        rows: Documents in it.
        parts: Parts to take together.
        shards: Shards to take together.
        partitions: Number of partitions that all shingles are cut into.
        num_bytes: Work to do, for the progress.
        careful: Note which document is looked at, as a worker ended over one (``suspects``).
        skip: Numbers of the documents that workers ended over.
    """

    step: str
    name: str
    out: str
    offset: int = 0
    rows: int = 0
    parts: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    partitions: int = 1
    num_bytes: int = 0
    careful: bool = False
    skip: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """What it is known by in the ledger."""
        return f"{self.step}/{self.name}"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file of documents.

    Attributes:
        name: Its name in the work folder, or in the result.
        rows: Documents in it.
        num_bytes: Bytes of their contents.
        sha256: Hex digest of the file, where it is part of the result.
        file_bytes: Size of it, where it is.
    """

    name: str
    rows: int
    num_bytes: int
    sha256: str = ""
    file_bytes: int = 0


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error of ours in a worker."""

    kind: str
    text: str
    repair: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished task leaves.

    Attributes:
        key: Of the task.
        parts: Files of documents that it wrote, in order.
        rejects: Files of rejects among the result.
        stats: What was counted, by step of the report.
        num_bytes: Work that it did, as its task said.
        cpu_s: CPU seconds it took.
        rss_bytes: Most memory that its process has ever held.
        failure: Why there is nothing else.
    """

    key: str
    parts: list[Part] = []
    rejects: list[Part] = []
    stats: dict[str, Stats] = {}
    num_bytes: int = 0
    cpu_s: float = 0.0
    rss_bytes: int = 0
    failure: Failure | None = None


_KINDS: dict[str, type[OpenCoderError]] = {
    kind.__name__: kind for kind in (UserError, InfraError, OpenCoderError)
}


def as_failure(error: OpenCoderError) -> Failure:
    """Return an error in a form that travels."""
    if isinstance(error, DependencyError):
        text = str(error).removesuffix(f"; run: {error.repair}")
        return Failure(kind="DependencyError", text=text, repair=error.repair)
    kind = type(error).__name__ if type(error).__name__ in _KINDS else "OpenCoderError"
    return Failure(kind="UserError" if isinstance(error, DataError) else kind, text=str(error))


def as_error(failure: Failure) -> OpenCoderError:
    """Return the error that a failure stands for."""
    if failure.kind == "DependencyError":
        return DependencyError(failure.text, repair=failure.repair)
    return _KINDS[failure.kind](failure.text)
