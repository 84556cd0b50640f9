"""Training of a scorer: fit the models, measure them on held-out labels, keep the best."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from opencoder.errors import UserError
from opencoder.files import make_folder, sha256_file, writing_to
from opencoder.log import logger
from opencoder.store import write_jsonl
from synth.scorer import artefact
from synth.scorer.artefact import FORMAT, KINDS, LABELS, Kind, LabelFacts, ModelReport, Report
from synth.scorer.labels import HIGHEST, RUBRIC, Label, check, split
from synth.scorer.measures import agreement, calibration, f1_at_threshold, quantiles
from synth.scorer.models import TrainedModel, model_class

_log = logger.getChild("synth")

MIN_OF_LANGUAGE = 10
"""Held-out texts of a language, for a figure of its own."""


def train(
    labels: Sequence[Label],
    out: Path,
    *,
    models: Sequence[Kind] = KINDS,
    held_out: float = 0.2,
    seed: int = 0,
    rubric: str = RUBRIC,
) -> Report:
    """Train a scorer and write its folder.

    Every model is trained on the same labels and measured on the same held-out ones; the one with the
    largest rank correlation is kept, as it is: the figures are those of the model in the folder, and the
    best of two is chosen by them, which flatters it a little. The same labels, seed and package versions
    give the same bytes.

    Args:
        labels: Texts with labels from 0 to 5, all languages together. Which texts they are decides what
            the score quantiles mean: draw them at random from what will be scored.
        out: Folder; a scorer that is in it already is replaced.
        models: Those to try, ``ngram`` and ``fasttext``.
        held_out: Share that is measured on.
        seed: Of the split and the training.
        rubric: What the labels say, for ``scorer.json``.

    Raises:
        DependencyError: A package is missing, or the disk is full.
        InfraError: fastText's training diverged.
        UserError: Too few labels, only one label, no model, or a place that cannot be written.
    """
    if not models:
        raise UserError(f"no model to train; choose from {', '.join(KINDS)}")
    if not 0 < held_out < 1:
        raise UserError(f"--held-out is a share between 0 and 1, not {held_out:g}")
    check(labels)
    fit, measured = split(labels, held_out=held_out, seed=seed)
    targets = [label.label for label in measured]
    if len(set(targets)) == 1:
        raise UserError(f"all held-out labels are {targets[0]:g}; add labels or change --seed")
    trained = _fit_all(fit, measured, models, seed)
    best = max(trained, key=lambda kind: trained[kind].correlation)
    model, scores = trained[best].model, trained[best].scores
    facts = _write_labels(labels, out, len(fit))
    name = model.save(out)
    report = Report(
        format=FORMAT,
        kind=best,
        rubric=rubric,
        seed=seed,
        held_out=held_out,
        features=model.facts(),
        labels=facts,
        models={kind: one.report for kind, one in trained.items()},
        calibration=calibration(scores, targets),
        quantiles=quantiles(scores),
        files={name: sha256_file(out / name)},
    )
    artefact.write_report(out, report)
    return report


class _Trained(NamedTuple):
    model: TrainedModel
    scores: list[float]
    report: ModelReport

    @property
    def correlation(self) -> float:
        return self.report.overall.spearman or 0.0


def _fit_all(
    fit: Sequence[Label], measured: Sequence[Label], models: Sequence[Kind], seed: int
) -> dict[Kind, _Trained]:
    """Train each model, and measure it on the held-out labels."""
    trained: dict[Kind, _Trained] = {}
    for kind in dict.fromkeys(models):
        model = model_class(kind).train(fit, seed=seed)
        scores = model.score([label.text for label in measured])
        trained[kind] = _Trained(model, scores, _measure(scores, measured, seed))
        _log.info("%s: Spearman %.3f on %d labels", kind, trained[kind].correlation, len(measured))
    return trained


def _measure(scores: Sequence[float], labels: Sequence[Label], seed: int) -> ModelReport:
    by_language: dict[str, tuple[list[float], list[float]]] = {}
    for score, label in zip(scores, labels, strict=True):
        found, targets = by_language.setdefault(label.language, ([], []))
        found.append(score)
        targets.append(label.label)
    targets = [label.label for label in labels]
    overall = agreement(scores, targets, seed=seed)
    return ModelReport(
        overall=overall,
        languages={
            language: overall if len(by_language) == 1 else agreement(found, targets, seed=seed)
            for language, (found, targets) in sorted(by_language.items())
            if len(found) >= MIN_OF_LANGUAGE
        },
        f1=f1_at_threshold(scores, targets),
    )


def _write_labels(labels: Sequence[Label], out: Path, num_train: int) -> LabelFacts:
    """Write the labels, having removed what an earlier training left."""
    make_folder(out)
    for name in (artefact.FILE, *(model_class(kind).FILE for kind in KINDS)):
        with writing_to(out / name), suppress(FileNotFoundError):
            (out / name).unlink()
    write_jsonl(out / LABELS, labels)
    bands = Counter(math.floor(label.label + 0.5) for label in labels)
    return LabelFacts(
        sha256=sha256_file(out / LABELS),
        num=len(labels),
        num_train=num_train,
        num_held_out=len(labels) - num_train,
        languages=dict(sorted(Counter(label.language for label in labels).items())),
        histogram={str(band): bands[band] for band in range(math.floor(HIGHEST) + 1)},
    )
