"""Answers of a former run, found by the key of the request: no model, no network, the same run once more."""

from __future__ import annotations

from pathlib import Path

from opencoder.errors import DataError, UserError
from opencoder.files import sha256_file
from opencoder.llm.api import Choice, Request, Response, Style
from opencoder.records import Completion
from opencoder.store import read_numbered

FILE_NAMES = ("completions.jsonl", "completions.jsonl.zst", "completions.jsonl.gz")
"""Where a run keeps its answers."""


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
        if len(names) != 1:
            found = ", ".join(sorted(names)) or "none"
            raise DataError(f"replay needs the answers of one model, found: {found}", path=self.path)
        self.name = names.pop()

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
    for name in FILE_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"no {FILE_NAMES[0]} in it; give the folder of a finished run", path=folder)
