"""Descriptions of mixtures: what is taken, and what is wrong in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from opencoder.errors import DataError, UserError
from synth.mix.config import PRESETS, Where, find_config, load_mixture

GOOD = """
name: stage2
seed: 7
dedup: near
max_rows: 100
sources:
  - path: runs/edu
    rows: 10
    where: {min_mutants: 0.8, status: pass, languages: [python], tags: {difficulty: hard},
            min_scores: {clarity: 3}}
  - {path: runs/package.jsonl, epochs: 1.5}
"""


def test_yaml_and_toml_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "a.toml").write_text(
        """
        name = "stage2"
        seed = 7
        dedup = "near"
        max_rows = 100
        [[sources]]
        path = "runs/edu"
        rows = 10
        [sources.where]
        min_mutants = 0.8
        status = "pass"
        languages = ["python"]
        tags = { difficulty = "hard" }
        min_scores = { clarity = 3 }
        [[sources]]
        path = "runs/package.jsonl"
        epochs = 1.5
        """
    )
    mixture = load_mixture(tmp_path / "a.yaml")
    assert mixture == load_mixture(tmp_path / "a.toml")
    assert mixture.sources[0].where == Where(
        status=["pass"],
        min_mutants=0.8,
        languages=["python"],
        tags={"difficulty": ["hard"]},
        min_scores={"clarity": 3.0},
    )
    assert [source.label for source in mixture.sources] == ["edu", "package"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [{path: a}]\nsede: 1", "unknown key `sede`; did you mean `seed`?"),
        (
            "sources: [{path: a}, {path: b, wher: {}}]",
            r"unknown key `sources[1].wher`; did you mean `where`?",
        ),
        (
            "sources: [{path: a, where: {min_mutant: 1}}]",
            "unknown key `sources[0].where.min_mutant`; did you mean `min_mutants`?",
        ),
        (
            "sources: [{path: a, where: {tags: {dificulty: x}}}]",
            "unknown key `sources[0].where.tags.dificulty`; did you mean `difficulty`?",
        ),
        ("sources: [{path: a, qqq: 1}]", "unknown key `sources[0].qqq`; there are: path, name, rows"),
        ("sources: []", "`sources`: there are none"),
        ("seed: 1", "object missing required field `sources`"),
        ("sources: [{path: a}]\nseed: x", "`seed`: expected `int`, got `str`"),
        ("sources: [{path: a}]\ndedup: fuzzy", "`dedup`: invalid enum value 'fuzzy'"),
        ("sources: [{path: a, where: {status: passed}}]", "invalid enum value 'passed'"),
        ("sources: [{path: a, rows: 1, epochs: 2}]", "`sources[0].epochs`: excludes `rows`"),
        ("sources: [{path: a, rows: 0}]", "`sources[0].rows`: is 0; give more than 0"),
        ("sources: [{path: a, weight: 1}, {path: b}]", "`sources[1]`: has no `weight` while others do"),
        ("sources: [{path: x/a}, {path: y/a}]", "`sources[1].name`: another source is called `a` too"),
        ("sources: [{path: a}]\nmax_rows: 0", "`max_rows`: is 0; give at least 1"),
        (
            "sources: [{path: a, where: {min_coverage: 80}}]",
            "`sources[0].where.min_coverage`: is 80; give a share from 0 to 1",
        ),
        (
            "sources: [{path: a, where: {without_flags: contaminate}}]",
            "unknown flag `contaminate`; did you mean `contaminated`?",
        ),
        ("sources: [{path: a, where: {languages: [Python]}}]", "languages are lower case"),
        ("sources: [{path: a, where: {license_policy: any}}]", "invalid enum value 'any'"),
        ("sources: {path: a}", "`sources`: expected `array`, got `object`"),
        ("- a", "must hold keys and values at the top"),
    ],
)
def test_bad_ones_say_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(DataError) as raised:
        load_mixture(tmp_path / "bad.yaml")
    said = str(raised.value)
    assert said.startswith(f"{tmp_path / 'bad.yaml'}")
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_are_right(path: Path) -> None:
    mixture = load_mixture(find_config(path.stem))
    assert mixture.name == path.stem
    assert all(source.rows is None and source.weight is None for source in mixture.sources)


def test_presets_are_the_two_stages() -> None:
    assert [path.stem for path in sorted(PRESETS.glob("*.yaml"))] == ["stage1", "stage2"]
    with pytest.raises(UserError, match="no such preset; presets are: stage1, stage2"):
        find_config("stage3")
