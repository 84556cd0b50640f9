"""``opencoder synth train-scorer`` and ``opencoder synth score``."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import DataError, DependencyError, UserError
from opencoder.log import emit
from opencoder.store import read_numbered, write_jsonl
from synth.record import SCHEMA
from synth.scorer.artefact import KINDS, Kind, Report
from synth.scorer.labels import RUBRIC, read_labels, text_of
from synth.scorer.scorer import HEURISTIC, Scorer, open_scorer

_BATCH = 256
_SHARES = (0.5, 0.2, 0.1, 0.05, 0.01)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """Options of training a scorer."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the scorer; one that is in it already is replaced."""
    models: str = ",".join(KINDS)
    """Models to try, separated by commas: ngram, fasttext."""
    held_out: float = 0.2
    """Share of the labels that the models are measured on."""
    seed: int = 0
    """Of the split and the training."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreOptions:
    """Options of scoring."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """JSON lines file: the rows with their scores, in their order."""
    scorer: str = HEURISTIC
    """Folder of a trained scorer, or heuristic: rules for Python that need no training."""
    limit: int | None = None
    """Only the first so many rows."""


class ScoreSummary(msgspec.Struct, kw_only=True, frozen=True):
    """What ``synth score`` prints.

    Attributes:
        rows: How many.
        scorer: Its name.
        sha256: Of all that the scores depend on.
        mean: Of the scores; None without rows.
        thresholds: The score that the best share of these rows has at least.
        out: The file.
    """

    rows: int
    scorer: str
    sha256: str
    mean: float | None
    thresholds: dict[str, float]
    out: str


def train_scorer(labels: Path, *, options: TrainOptions, common: Common | None = None) -> None:
    """Train a scorer on labelled texts, and print how well it does on those held out.

    Args:
        labels: JSON lines with ``code``, ``content`` or ``text``, and ``label`` or ``score`` from 0 to 5; or
            rows of ``synth run`` with ``scores.educational``.
        options: Options of training.
        common: Options of every command.

    Raises:
        DataError: The labels cannot be used; with ``file:line``.
        DependencyError: A package is missing, or the disk is full.
        UserError: An option is wrong.
    """
    models = _models(options.models)
    _need_numpy()
    from synth.scorer.train import train

    rows = read_labels(labels)
    report = train(rows, options.out, models=models, held_out=options.held_out, seed=options.seed)
    emit(report, json=common is not None and common.json, text=lambda: _trained(report, options.out))


def score(source: Path, *, options: ScoreOptions, common: Common | None = None) -> None:
    """Score the rows of a file; a record gets ``scores.educational``, any other row ``score``.

    What a row has there already is replaced.

    Args:
        source: JSON lines with ``code``, ``content`` or ``text``, or rows of ``synth run``.
        options: Options of scoring.
        common: Options of every command.

    Raises:
        DataError: A row has no text, or the scorer is broken; with ``file:line``.
        DependencyError: A package is missing, or the disk is full.
        UserError: An option is wrong.
    """
    if options.limit is not None and options.limit < 1:
        raise UserError(f"--limit must be at least 1, not {options.limit}")
    _need_numpy()
    scorer = open_scorer(options.scorer)
    scores = array("d")
    write_jsonl(options.out, _scored(source, scorer, scores, options.limit))
    summary = ScoreSummary(
        rows=len(scores),
        scorer=scorer.name,
        sha256=scorer.sha256,
        mean=round(sum(scores) / len(scores), 6) if scores else None,
        thresholds=_thresholds(scores),
        out=str(options.out),
    )
    emit(summary, json=common is not None and common.json, text=lambda: _summed(summary))


def _models(text: str) -> list[Kind]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or set(names) - set(KINDS):
        raise UserError(f"--models takes {', '.join(KINDS)}, separated by commas, not {text!r}")
    return cast("list[Kind]", names)


def _need_numpy() -> None:
    try:
        import numpy  # noqa: F401
    except ImportError as error:
        raise DependencyError("scorers need numpy", repair="pip install 'opencoder[synth]'") from error


def _scored(
    source: Path, scorer: Scorer, scores: array[float], limit: int | None
) -> Iterator[dict[str, Any]]:
    """Yield the rows with their scores, which are added to ``scores`` too."""
    rows = islice(_texts(source), limit)
    while batch := list(islice(rows, _BATCH)):
        for (row, _), value in zip(batch, scorer.score([text for _, text in batch]), strict=True):
            scores.append(round(value, 4))
            if row.get("schema") == SCHEMA:
                yield {**row, "scores": {**(row.get("scores") or {}), RUBRIC: scores[-1]}}
            else:
                yield {**row, "score": scores[-1]}


def _texts(source: Path) -> Iterator[tuple[dict[str, Any], str]]:
    for line, row in read_numbered(source, dict[str, Any]):
        try:
            yield row, text_of(row)
        except (msgspec.ValidationError, ValueError) as error:
            raise DataError(f"wrong row: {error}", path=source, line=line) from error


def _thresholds(scores: array[float]) -> dict[str, float]:
    ordered = sorted(scores, reverse=True)
    return {f"{share:g}": ordered[max(1, round(share * len(ordered))) - 1] for share in _SHARES if ordered}


def _trained(report: Report, out: Path) -> str:
    facts = report.labels
    lines = [f"{facts.num} labels: trained on {facts.num_train}, measured on {facts.num_held_out}"]
    for kind, found in report.models.items():
        best = "  <- kept" if kind == report.kind else ""
        lines.append(f"  {kind:9} {_agreement(found.overall)}, F1 at 3 {_figure(found.f1)}{best}")
        if len(facts.languages) > 1:
            for language, one in found.languages.items():
                lines.append(f"    {language or 'no language':12} {_agreement(one)} on {one.num}")
    tenths = " ".join(f"{decile.label:.2f}" for decile in report.calibration)
    lines += [f"mean label by tenth of the score: {tenths}", f"the scorer is in {out}"]
    return "\n".join(lines)


def _agreement(found: Any) -> str:
    if found.spearman is None or found.ci95 is None:
        return "all labels the same"
    return f"Spearman {found.spearman:.3f} ({found.ci95.low:.3f} to {found.ci95.high:.3f})"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _summed(summary: ScoreSummary) -> str:
    lines = [f"{summary.rows} rows scored by {summary.scorer}, now in {summary.out}"]
    lines += [
        f"  best {float(share):4.0%} from {threshold:.3f}" for share, threshold in summary.thresholds.items()
    ]
    return "\n".join(lines)
