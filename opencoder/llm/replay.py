"""Answers of a former run, found by the key of the request: no model, no network, the same run once more."""

from __future__ import annotations

import hashlib
from pathlib import Path

from opencoder.errors import DataError, UserError
from opencoder.files import sha256_file
from opencoder.llm.api import Choice, Model, Request, Response, Style
from opencoder.llm.journal import Journal, has_journal, read_entries
from opencoder.llm.journaled import JournaledModel
from opencoder.records import Completion
from opencoder.store import read_numbered

FILE_NAMES = ("completions.jsonl", "completions.jsonl.zst", "completions.jsonl.gz")
"""Where a run keeps its answers."""

JOURNAL_NAME = "journal"
"""The folder in a run's folder that holds its journal."""


def open_replay(folder: Path, *, style: Style | None = None) -> Model:
    """Open the answers of a former run, from its completions or else from its journal.

    Args:
        folder: The folder of the run, or the journal itself.
        style: How the former model was asked. A journal is taken for chats where it is not given.

    Raises:
        DataError: The folder holds no answers, answers of several models, or answers without a key.
    """
    if _completions(folder) is None:
        for journal in (folder / JOURNAL_NAME, folder):
            if has_journal(journal):
                return JournalReplay(journal, style=style or "chat")
    return ReplayModel(folder, style=style)


class JournalReplay(JournaledModel):
    """The model whose answers stand in a journal, as far as it was asked; it takes over the model's name.

    Args:
        folder: The journal; it is only read.
        style: How the former model was asked.

    Raises:
        DataError: The journal cannot be read, or holds answers of no or of several models.
    """

    def __init__(self, folder: Path, *, style: Style) -> None:
        name, self._revision = _survey(folder)
        super().__init__(None, Journal(folder, read_only=True), name=name, style=style, reuse_stopped=True)

    @property
    def revision(self) -> str:
        """A digest of what is settled in the journal."""
        return self._revision

    async def aclose(self) -> None:
        """Close the journal."""
        self._journal.close()


def _survey(folder: Path) -> tuple[str, str]:
    """Return the model's name and the digest of a journal."""
    names: set[str] = set()
    digest = hashlib.sha256()
    for entry in read_entries(folder):
        if entry.status != "failed":
            digest.update(entry.key.encode())
        if entry.response is not None:
            names.add(entry.response.model)
    return _only(names, folder), digest.hexdigest()[:16]


def _only(names: set[str], path: Path) -> str:
    if len(names) != 1:
        found = ", ".join(sorted(names)) or "none"
        raise DataError(f"replay needs the answers of one model, found: {found}", path=path)
    return names.pop()


class ReplayModel:
    """The model of a former run, as far as it was asked.

    It takes over the former model's name, since that is part of the keys.

    Args:
        folder: The folder of the run.
        style: How the former model was asked; only needed for runs that hold both styles or none.

    Raises:
        DataError: The folder has no answers, answers of several models, or answers without a key.
    """

    def __init__(self, folder: Path, *, style: Style | None = None) -> None:
        self.path = _find(folder)
        self.revision = sha256_file(self.path)[:16]
        self._style: Style | None = style
        self._answers: dict[str, dict[tuple[str, int], Completion]] = {}
        names: set[str] = set()
        for line, row in read_numbered(self.path, Completion):
            if not row.request_hash:
                raise DataError(
                    "no request_hash; only runs of a model can be replayed", path=self.path, line=line
                )
            names.add(row.model)
            self._answers.setdefault(row.request_hash, {})[row.task_id, row.sample_id] = row
        self.name = _only(names, self.path)

    def knows(self, request: Request) -> bool:
        """Tell whether the former run holds all samples of this request."""
        return self._find(request) is not None

    async def complete(self, request: Request) -> Response:
        """Give the former answer.

        Raises:
            UserError: The former run did not ask this.
        """
        rows = self._find(request)
        if rows is None:
            raise UserError(
                f"{self.path} has no answer to this request for {request.tag} (sample {request.sample_id}): "
                "prompt, sampling or seed differ from that run; repeat its settings, or ask the model itself"
            )
        return Response(
            choices=[Choice(text=row.text, finish_reason=row.finish_reason, form=row.form) for row in rows],
            model=self.name,
            tokens_in=rows[0].tokens_in,
            tokens_out=sum(row.tokens_out for row in rows),
            latency_s=rows[0].latency_s,
        )

    async def style(self) -> Style:
        """Say how the former model was asked.

        Raises:
            UserError: It was not given; the answers do not tell.
        """
        if self._style is None:
            raise UserError(
                f"{self.path} does not tell how its model was asked; give the prompt style of that run"
            )
        return self._style

    async def aclose(self) -> None:
        """Do nothing: there is nothing to give back."""

    def _find(self, request: Request) -> list[Completion] | None:
        rows = self._answers.get(request.key(self.name), {})
        wanted = range(request.sample_id, request.sample_id + request.sampling.n)
        found = [rows[request.tag, i] for i in wanted if (request.tag, i) in rows]
        return found if len(found) == len(wanted) else None


def _find(folder: Path) -> Path:
    path = _completions(folder)
    if path is None:
        raise DataError(
            f"no {FILE_NAMES[0]} and no journal in it; give the folder of a finished run", path=folder
        )
    return path


def _completions(folder: Path) -> Path | None:
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)
