"""Scorers of educational value, trained or not, behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from opencoder.errors import DataError, UserError
from synth.scorer.artefact import FILE, Report, read_report
from synth.scorer.measures import threshold_of
from synth.scorer.models import TrainedModel, model_class

HEURISTIC = "heuristic"


class Scorer(Protocol):
    """Gives texts a score from 0 to 5.

    Attributes:
        name: For provenance, as in ``ngram`` or ``heuristic``.
        sha256: Of all that the scores depend on.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above

    @property
    def sha256(self) -> str: ...  # noqa: D102 - described above

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return a score from 0 to 5 for each text."""
        ...

    def threshold(self, keep: float) -> float:
        """Return the score that the best ``keep`` of the texts have at least.

        Args:
            keep: A share, from above 0 to 1.

        Raises:
            UserError: It is not.
        """
        ...


class TrainedScorer:
    """A scorer from a folder.

    Attributes:
        report: What its ``scorer.json`` says.
        name: Kind of its model.
        sha256: Of ``scorer.json``, which has those of the other files.
    """

    def __init__(self, model: TrainedModel, report: Report, sha256: str) -> None:
        self._model = model
        self.report = report
        self.name: str = report.kind
        self.sha256 = sha256

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return a score from 0 to 5 for each text."""
        return self._model.score(texts)

    def threshold(self, keep: float) -> float:
        """Return the score that the best ``keep`` of the held-out labelled texts have at least.

        Raises:
            UserError: Not a share from above 0 to 1.
        """
        try:
            return threshold_of(self.report.quantiles, keep)
        except ValueError as error:
            raise UserError(str(error)) from error


def load_scorer(folder: Path) -> TrainedScorer:
    """Open the scorer in a folder that :func:`synth.scorer.train.train` wrote.

    Raises:
        DataError: A file is missing, broken, or was written by another version; it is named.
        DependencyError: A package is missing.
    """
    report, sha256 = read_report(folder)
    kind = model_class(report.kind)
    if kind.FILE not in report.files:
        raise DataError(f"names no {kind.FILE}; train the scorer again", path=folder / FILE)
    version = report.features.get("version")
    if version != kind.VERSION:
        how = "newer" if isinstance(version, float | int) and version > kind.VERSION else "older"
        message = f"features of {how} version {version}, here is {kind.VERSION}; train the scorer again"
        raise DataError(message, path=folder / FILE)
    return TrainedScorer(kind.load(folder), report, sha256)


def open_scorer(spec: str) -> Scorer:
    """Open a scorer by what a user names it: ``heuristic``, or the folder of a trained one.

    Raises:
        DataError: See :func:`load_scorer`.
        DependencyError: A package is missing.
    """
    if spec == HEURISTIC:
        from synth.scorer.heuristic import HeuristicScorer

        return HeuristicScorer()
    return load_scorer(Path(spec))
