"""Training for real, on functions of the standard library whose labels the models cannot see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from opencoder.errors import DataError, UserError
from opencoder.store import read_jsonl
from synth.scorer.artefact import KINDS, Kind, Report
from synth.scorer.fasttext_model import FastTextModel
from synth.scorer.labels import Label, split
from synth.scorer.ngram import NgramModel, _conjugate_gradients
from synth.scorer.scorer import load_scorer, open_scorer
from synth.scorer.train import train

SEED = 4


@pytest.fixture(scope="session")
def trained(labels: list[Label], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("scorer")
    return folder, train(labels, folder, seed=SEED)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_both_models_order_texts_that_they_have_not_seen(trained: tuple[Path, Report]) -> None:
    """A fifth of the labels is off by one on purpose, so that 1 is out of reach."""
    _, report = trained
    assert set(report.models) == {"ngram", "fasttext"}
    for found in report.models.values():
        assert found.overall.spearman is not None
        assert found.overall.ci95 is not None
        assert found.overall.spearman > 0.6
        assert found.overall.ci95.low > 0.5
        assert found.f1 is not None
        assert found.f1 > 0.65
        assert set(found.languages) == {"python"}
    best = max(report.models, key=lambda kind: report.models[kind].overall.spearman or 0)
    assert report.kind == best


def test_shuffled_labels_are_not_learnt(labels: list[Label], tmp_path: Path) -> None:
    """The figures are of held-out texts: with labels that say nothing they are near 0."""
    values = np.random.default_rng(0).permutation([one.label for one in labels]).tolist()
    wrong = [Label(text=one.text, label=value) for one, value in zip(labels, values, strict=True)]
    report = train(wrong[:500], tmp_path, seed=SEED)
    for found in report.models.values():
        assert found.overall.spearman is not None
        assert abs(found.overall.spearman) < 0.3


def test_the_same_labels_give_the_same_bytes(labels: list[Label], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    (second / "ngram.npz").write_bytes(b"of an earlier training")
    reports = {kind: train(labels[:200], first / kind, models=[kind], seed=SEED) for kind in KINDS}
    for kind in KINDS:
        report = reports[kind]
        assert train(labels[:200], second, models=[kind], seed=SEED) == report
        assert content(first / kind) == content(second)
        other = train(labels[:200], second, models=[kind], seed=SEED + 1)
        assert other.files != report.files


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_survives_its_file(kind: Kind, labels: list[Label], tmp_path: Path) -> None:
    few, texts = labels[:300], [one.text for one in labels[300:400]] + ["", "\0", "é\u2028" * 9, "x" * 9000]
    report = train(few, tmp_path, models=[kind], seed=1)
    scorer = load_scorer(tmp_path)
    fresh = (FastTextModel if kind == "fasttext" else NgramModel).train(
        split(few, held_out=0.2, seed=1)[0], seed=1
    )
    scores = scorer.score(texts)
    assert scores == fresh.score(texts)
    assert scores == [scorer.score([text])[0] for text in texts]
    assert all(0 <= score <= 5 for score in scores)
    assert (scorer.name, scorer.report) == (kind, report)
    assert scorer.score([]) == []


def test_a_threshold_keeps_about_its_share(labels: list[Label], trained: tuple[Path, Report]) -> None:
    scorer = load_scorer(trained[0])
    scores = scorer.score([one.text for one in split(labels, held_out=0.2, seed=SEED)[1]])
    for keep in (0.05, 0.2, 0.5, 0.9):
        kept = sum(score >= scorer.threshold(keep) for score in scores) / len(scores)
        assert kept == pytest.approx(keep, abs=0.02)
    with pytest.raises(UserError, match="from above 0 to 1"):
        scorer.threshold(1.5)


def test_higher_scores_have_higher_labels(trained: tuple[Path, Report]) -> None:
    means = [decile.label for decile in trained[1].calibration]
    assert len(means) == 10
    assert means[-1] - means[0] > 2
    assert np.corrcoef(means, range(10))[0, 1] > 0.9


def test_the_folder_says_what_it_was_made_from(labels: list[Label], trained: tuple[Path, Report]) -> None:
    folder, report = trained
    assert list(read_jsonl(folder / "labels.jsonl", Label)) == labels
    facts = report.labels
    assert (facts.num, facts.num_train + facts.num_held_out) == (len(labels), len(labels))
    assert facts.languages == {"python": len(labels)}
    assert sum(facts.histogram.values()) == len(labels)
    assert json.loads((folder / "scorer.json").read_text())["rubric"] == "educational"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("scorer.json", None, "scorer.json: not there"),
        ("scorer.json", b"{", "scorer.json: not the JSON"),
        ("scorer.json", b'{"format": 99}', "scorer.json: format 99 of a newer opencoder"),
        ("scorer.json", b'{"format": 1}', "scorer.json: not the JSON that was expected: object missing"),
        ("MODEL", None, "no such file"),
        ("MODEL", b"cut", "is not what scorer.json says"),
    ],
)
def test_a_broken_folder_is_named(
    trained: tuple[Path, Report], tmp_path: Path, name: str, change: bytes | None, words: str
) -> None:
    for path, data in content(trained[0]).items():
        (tmp_path / path).write_bytes(data)
    target = tmp_path / name.replace("MODEL", next(iter(trained[1].files)))
    target.unlink() if change is None else target.write_bytes(change)
    with pytest.raises(DataError, match=words) as caught:
        load_scorer(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("features", {"version": 99}, "features of newer version 99"),
        ("features", {}, "features of older version None"),
        ("quantiles", [0.0, 1.0], "needs 101 quantiles"),
        ("files", {"../labels.jsonl": "0"}, "outside of its folder"),
        ("files", {}, "train the scorer again"),
        ("kind", "oracle", "kind"),
    ],
)
def test_a_report_that_does_not_fit_is_named(
    trained: tuple[Path, Report], tmp_path: Path, field: str, value: object, words: str
) -> None:
    for path, data in content(trained[0]).items():
        (tmp_path / path).write_bytes(data)
    report = json.loads((tmp_path / "scorer.json").read_text())
    (tmp_path / "scorer.json").write_text(json.dumps({**report, field: value}))
    with pytest.raises(DataError, match=words):
        open_scorer(str(tmp_path))


@pytest.mark.parametrize("model", [NgramModel, FastTextModel])
@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"nonsense" * 50])
def test_a_broken_model_is_named(
    model: type[NgramModel] | type[FastTextModel], data: bytes, tmp_path: Path
) -> None:
    (tmp_path / model.FILE).write_bytes(data)
    with pytest.raises(DataError, match="broken model"):
        model.load(tmp_path)


def test_wrong_settings_are_refused(labels: list[Label], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model to train"):
        train(labels, tmp_path, models=[])
    with pytest.raises(UserError, match="between 0 and 1"):
        train(labels, tmp_path, held_out=1.0)
    with pytest.raises(UserError, match="too few"):
        train(labels[:20], tmp_path)
    assert not list(tmp_path.iterdir())


def test_conjugate_gradients_solve_what_linear_algebra_solves() -> None:
    generator = np.random.default_rng(0)
    half = generator.normal(size=(40, 40))
    matrix, right = half @ half.T + np.eye(40), generator.normal(size=40)
    found = _conjugate_gradients(lambda vector: matrix @ vector, right, np.ones(40))
    assert np.allclose(found, np.linalg.solve(matrix, right), atol=0.05)
