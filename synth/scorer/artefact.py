"""The folder that a trained scorer lives in: ``scorer.json``, the model, and the labels it was trained on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from opencoder.errors import DataError
from opencoder.files import reading_from, sha256_file
from opencoder.store import read_json, write_json
from synth.scorer.measures import NUM_QUANTILES, Agreement, Decile

FILE = "scorer.json"
LABELS = "labels.jsonl"
FORMAT = 1
"""Of ``scorer.json``; grows when an older reader would misread it."""

Kind = Literal["ngram", "fasttext"]
KINDS: tuple[Kind, ...] = ("ngram", "fasttext")


class ModelReport(msgspec.Struct, kw_only=True, frozen=True):
    """How a model did on the held-out labels.

    Attributes:
        overall: Over all of them.
        languages: Over those of each language.
        f1: Of "rounds to 3 or more"; None where no label and no score does.
    """

    overall: Agreement
    languages: dict[str, Agreement]
    f1: float | None


class LabelFacts(msgspec.Struct, kw_only=True, frozen=True):
    """What the labels are.

    Attributes:
        sha256: Of the file of labels in the folder.
        num: How many.
        num_train: On which the model was trained.
        num_held_out: On which it was measured.
        languages: How many of each language.
        histogram: How many round to each band, ``"0"`` to ``"5"``.
    """

    sha256: str
    num: int
    num_train: int
    num_held_out: int
    languages: dict[str, int]
    histogram: dict[str, int]


class Report(msgspec.Struct, kw_only=True, frozen=True):
    """What ``scorer.json`` holds.

    Attributes:
        format: Of this file.
        kind: Of the model, the best on the held-out labels.
        rubric: What the labels say.
        seed: Of the split and the training.
        held_out: Share of the labels that was held out.
        features: What the model looks at; ``version`` tells whether this reader makes the same of a text.
        labels: What it was trained on.
        models: All that were tried.
        calibration: Mean label of each tenth of the held-out texts, by the chosen model's score.
        quantiles: Percentiles from 0 to 100 of its scores of the held-out texts.
        files: SHA-256 of each file that scoring needs.
    """

    format: int
    kind: Kind
    rubric: str
    seed: int
    held_out: float
    features: dict[str, float | str]
    labels: LabelFacts
    models: dict[Kind, ModelReport]
    calibration: list[Decile]
    quantiles: list[float]
    files: dict[str, str]


class _Head(msgspec.Struct):
    format: int


def write_report(folder: Path, report: Report) -> None:
    """Write ``scorer.json``; last of the folder's files, so where it is the rest is whole.

    Raises:
        DependencyError: The disk is full.
        UserError: The place cannot be written.
    """
    write_json(folder / FILE, report)


def read_report(folder: Path) -> tuple[Report, str]:
    """Read ``scorer.json``, check the files that it names, and return it with its SHA-256.

    Raises:
        DataError: There is none, it or one of the files is broken, or a newer version wrote it.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise DataError("no such folder; give one that `opencoder synth train-scorer` made", path=folder)
    if not path.is_file():
        raise DataError("not there; the folder holds no scorer, or its training did not end", path=path)
    head = read_json(path, _Head)
    if head.format > FORMAT:
        raise DataError(f"format {head.format} of a newer opencoder; update this one", path=path)
    report = read_json(path, Report)
    if len(report.quantiles) != NUM_QUANTILES:
        raise DataError(f"needs {NUM_QUANTILES} quantiles; train the scorer again", path=path)
    for name, digest in report.files.items():
        if Path(name).name != name:
            raise DataError(f"names a file outside of its folder: {name!r}", path=path)
        if sha256_file(folder / name) != digest:
            raise DataError(f"is not what {FILE} says (SHA-256); train the scorer again", path=folder / name)
    with reading_from(path):
        return report, hashlib.sha256(path.read_bytes()).hexdigest()
