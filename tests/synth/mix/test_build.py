"""Mixtures of real files: every row accounted for, the same bytes, independent choices."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencoder.errors import DataError, UserError
from opencoder.store import read_jsonl, write_jsonl
from synth.export.command import export_rows
from synth.mix.build import Dropped, build
from synth.mix.config import Mixture, Source, Where
from synth.record import Row, Verification
from tests.support.synth_rows import plain_row, verified_row, write_run

WORDS = "read sort merge split count parse write close open store fetch print check build match order".split()


def question(number: int) -> Row:
    """A row whose words are its own."""
    words = [f"{WORDS[(number + place) % 16]}{number * 31 % 997 + place}" for place in range(14)]
    return plain_row(f"q{number}", " ".join(words), f"answer {number}")


def source(tmp_path: Path, file: str, content: list[Row], /, **given: Any) -> Source:
    path = tmp_path / f"{file}.jsonl"
    write_jsonl(path, content)
    return Source(path=str(path), **given)


def result(folder: Path) -> tuple[list[Row], list[Dropped]]:
    return list(read_jsonl(folder / "rows.jsonl", Row)), list(read_jsonl(folder / "dropped.jsonl", Dropped))


def ids(rows: list[Row], name: str) -> set[str]:
    return {row.id for row in rows if row.tags.source_set == name}


def check_account(manifest: dict[str, Any], rows: list[Row], dropped: list[Dropped]) -> None:
    counts = manifest["counts"]
    assert counts["input"] == counts["unique"] + len(dropped)
    assert counts["rows"] == len(rows) == counts["unique"] + counts["repeats"]
    assert manifest["reasons"] == dict(Counter(one.reason for one in dropped))
    for part in manifest["sources"]:
        mine = Counter(one.reason.partition(":")[0] for one in dropped if one.source == part.name)
        assert part.read == part.filtered + part.duplicates + part.not_drawn + part.unique
        assert (part.filtered, part.duplicates, part.not_drawn) == (
            mine["filtered"],
            mine["duplicate"],
            mine["not_drawn"],
        )
        assert part.rows == sum(row.tags.source_set == part.name for row in rows)
        assert part.share == pytest.approx(part.rows / len(rows), abs=1e-6)


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    mixture = Mixture(
        seed=3,
        sources=[
            source(tmp_path, "a", [question(i) for i in range(40)], rows=10),
            source(tmp_path, "b", [question(i) for i in range(30, 80)], epochs=1.5),
            source(
                tmp_path,
                "c",
                [verified_row(i, killed=i) for i in range(1, 11)],
                where=Where(min_mutants=0.6),
                name="c",
            ),
        ],
    )
    manifest = build(mixture, tmp_path / "out")
    rows, dropped = result(tmp_path / "out")
    check_account(manifest, rows, dropped)
    assert manifest["counts"] == {
        "input": 100,
        "rows": 10 + 60 + 5,
        "unique": 55,
        "repeats": 20,
        "dropped": 45,
    }
    assert manifest["reasons"] == {"not_drawn": 30, "duplicate": 10, "filtered:min_mutants": 5}
    assert {one.kept for one in dropped if one.reason == "duplicate"} == {f"q{i}" for i in range(30, 40)}
    assert max(Counter(row.id for row in rows).values()) == 2
    assert (
        msgspec.json.decode((tmp_path / "out" / "manifest.json").read_bytes())["counts"] == manifest["counts"]
    )


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    mixture = Mixture(
        sources=[source(tmp_path, "a", [question(i) for i in range(50)], epochs=1.2)], dedup="near"
    )
    for name in ("one", "two"):
        build(mixture, tmp_path / name)
    for file in ("rows.jsonl", "dropped.jsonl", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_another_source_changes_no_choice(tmp_path: Path) -> None:
    first = source(tmp_path, "a", [question(i) for i in range(100)], rows=20)
    other = source(tmp_path, "b", [question(i) for i in range(200, 260)], rows=15)
    build(Mixture(sources=[first]), tmp_path / "alone")
    build(Mixture(sources=[other, first]), tmp_path / "both")
    build(Mixture(sources=[first], seed=1), tmp_path / "seed")
    alone, both, seed = (result(tmp_path / name)[0] for name in ("alone", "both", "seed"))
    assert ids(both, "a") == ids(alone, "a")
    assert [row.id for row in both if row.tags.source_set == "a"] == [row.id for row in alone]
    assert ids(seed, "a") != ids(alone, "a")


def test_the_better_verified_copy_stays(tmp_path: Path) -> None:
    def copy(name: str, verify: Verification | None) -> Row:
        row = question(1)
        row.id, row.verify = name, verify
        return row

    grades = [
        copy("failed", Verification(status="fail", runs=3)),
        copy("unverified", None),
        copy("weak", Verification(status="pass", runs=3, mutants=10, killed=6, line_cov=1.0)),
        copy("less-reached", Verification(status="pass", runs=3, mutants=10, killed=9, line_cov=0.8)),
        copy("best", Verification(status="pass", runs=3, mutants=10, killed=9, line_cov=0.9)),
        copy("as-good-but-later", Verification(status="pass", runs=3, mutants=10, killed=9, line_cov=0.9)),
    ]
    sources = [source(tmp_path, row.id, [row]) for row in grades]
    for count in range(2, len(sources) + 1):
        build(Mixture(sources=sources[:count]), tmp_path / "out")
        rows, dropped = result(tmp_path / "out")
        assert [row.id for row in rows] == [grades[min(count - 1, 4)].id]
        assert {one.kept for one in dropped} == {rows[0].id}


def test_near_duplicates(tmp_path: Path) -> None:
    text = " ".join(f"word{i}" for i in range(200))
    rows = [plain_row("whole", text), plain_row("changed", text.replace("word7 ", "other ")), question(5)]
    kept = {}
    for dedup in ("none", "exact", "near"):
        mixture = Mixture(sources=[source(tmp_path, "a", rows)], dedup=dedup)
        build(mixture, tmp_path / "out")
        found, dropped = result(tmp_path / "out")
        kept[dedup] = {row.id for row in found}
    assert kept == {
        "none": {"whole", "changed", "q5"},
        "exact": {"whole", "changed", "q5"},
        "near": {"whole", "q5"},
    }
    assert [(one.id, one.reason, one.kept) for one in dropped] == [("changed", "duplicate", "whole")]


def test_two_answers_to_one_question_are_two_rows(tmp_path: Path) -> None:
    rows = [
        plain_row("one", "What?", "This"),
        plain_row("two", "What?", "That"),
        plain_row("three", "What?", "This"),
    ]
    build(Mixture(sources=[source(tmp_path, "a", rows)], dedup="near"), tmp_path / "out")
    assert {row.id for row in result(tmp_path / "out")[0]} == {"one", "two"}


def test_filters(tmp_path: Path) -> None:
    never_run = question(1)
    untested = verified_row(2)
    untested.verify = Verification(status="pass", runs=3, mutants=0)
    flagged = verified_row(3)
    flagged.flags.contaminated = ["mbpp/1"]
    conditions = {
        "status": (Where(status=["pass"]), {"q1"}),
        "min_mutants": (Where(min_mutants=0.95), {"q1", verified_row(3).id}),
        "min_coverage": (Where(min_coverage=0.9), {"q1"}),
        "languages": (Where(languages=["python"]), {"q1"}),
        "tags.difficulty": (Where(tags={"difficulty": ["hard"]}), {"q1", untested.id}),
        "tags.libraries": (Where(tags={"libraries": ["numpy", "scipy"]}), {"q1"}),
        "min_scores.clarity": (Where(min_scores={"clarity": 4.0}), {"q1"}),
        "min_scores.educational": (Where(min_scores={"educational": 3.6}), {"q1", untested.id, flagged.id}),
        "without_flags.contaminated": (Where(without_flags=["refusal", "contaminated"]), {flagged.id}),
        "license_policy": (Where(license_policy="commercial"), {"q1"}),
    }
    keep = question(9)
    for name, (where, out) in conditions.items():
        chosen = source(tmp_path, "a", [never_run, untested, flagged], where=where)
        build(Mixture(sources=[chosen, source(tmp_path, "b", [keep])]), tmp_path / "out")
        _, dropped = result(tmp_path / "out")
        assert {one.id for one in dropped} == out, name
        assert {one.reason for one in dropped} == {f"filtered:{name}"}


def test_the_source_names_the_licence_that_rows_do_not(tmp_path: Path) -> None:
    rows = [question(1), verified_row(1, license_="CC-BY-NC-4.0"), verified_row(2)]
    where = Where(license_policy="commercial")
    manifest = build(
        Mixture(sources=[source(tmp_path, "a", rows, license="odc-by", where=where)]), tmp_path / "out"
    )
    assert manifest["licenses"] == {"MIT": 1, "ODC-By-1.0": 1}
    assert [one.detail for one in result(tmp_path / "out")[1]] == ["CC-BY-NC-4.0 is non-commercial"]
    research = source(tmp_path, "a", rows, where=Where(license_policy="research"))
    warned = build(Mixture(sources=[research]), tmp_path / "out")["sources"][0].warnings
    assert warned == {"CC-BY-NC-4.0 is non-commercial": 1, "its licence is not known": 1}


def test_order(tmp_path: Path) -> None:
    sources = [
        source(tmp_path, "a", [question(i) for i in range(30)]),
        source(tmp_path, "b", [question(i) for i in range(50, 60)], epochs=2.0),
    ]
    build(Mixture(sources=sources, shuffle=False), tmp_path / "plain")
    build(Mixture(sources=sources), tmp_path / "mixed")
    plain, mixed = ([row.id for row in result(tmp_path / name)[0]] for name in ("plain", "mixed"))
    second = [f"q{i}" for i in range(50, 60)]
    assert plain == [f"q{i}" for i in range(30)] + second + second
    assert mixed != plain
    assert Counter(mixed) == Counter(plain)


def test_kinds_of_sources(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [verified_row(i) for i in range(4)])
    export_rows(run, "parquet", tmp_path / "parquet")
    export_rows(run, "opc-sft-stage2", tmp_path / "opc")
    sources = [
        Source(path=str(run)),
        Source(path=str(tmp_path / "parquet"), name="whole"),
        Source(path=str(tmp_path / "opc" / "educational_instruct.parquet"), name="published"),
    ]
    manifest = build(Mixture(sources=sources, dedup="none", shuffle=False), tmp_path / "out")
    rows, _ = result(tmp_path / "out")
    assert [part.rows for part in manifest["sources"]] == [4, 4, 4]
    assert manifest["sources"][0].recipe["name"] == "educational"
    # A run keeps the sets that its rows name; a name in the mixture takes their place.
    assert [row.tags.source_set for row in rows] == ["educational"] * 4 + ["whole"] * 4 + ["published"] * 4
    assert [row.prov for row in rows[:4]] == [row.prov for row in rows[4:8]]
    build(Mixture(sources=[Source(path=str(tmp_path / "out"))]), tmp_path / "again")
    assert len(result(tmp_path / "again")[0]) == 4


def test_a_mixture_is_exported_with_its_table(tmp_path: Path) -> None:
    sources = [source(tmp_path, name, [question(i) for i in span], name=name) for name, span in
               (("first", range(3)), ("second", range(5, 12)))]  # fmt: skip
    build(Mixture(name="stage2", sources=sources), tmp_path / "mix")
    export_rows(tmp_path / "mix", "messages", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# stage2" in card
    assert "| first | 3 | 0.3 | 1 | 3 | 0 | 3 |" in card
    assert "| second | 7 | 0.7 | 1 | 7 | 0 | 7 |" in card


def test_a_run_is_never_replaced_by_a_mixture(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [verified_row(1)])
    before = (run / "rows.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"holds other files \(no dropped\.jsonl\)"):
        build(Mixture(sources=[Source(path=str(run))]), run)
    assert (run / "rows.jsonl").read_bytes() == before


def test_nothing_is_left(tmp_path: Path) -> None:
    mixture = Mixture(sources=[source(tmp_path, "a", [question(1)], where=Where(status=["pass"]))])
    with pytest.raises(DataError, match="no row is left"):
        build(mixture, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))
