"""Data made of the standard library: valid, the same everywhere, and without what is held out."""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from opencoder.errors import UserError
from opencoder.store import read_jsonl
from train.builtin.explain import explanation
from train.builtin.library import Function, files, functions, held_out
from train.builtin.rows import builtin_rows, write_builtin
from train.sft.rows import to_dialogue

KINDS = ("educational", "sft1", "sft2")


@pytest.fixture(scope="module")
def library() -> tuple[Function, ...]:
    return functions()


@pytest.fixture(scope="module")
def made() -> dict[tuple[str, bool], list[dict[str, Any]]]:
    return {(kind, held): list(builtin_rows(kind, held=held)) for kind in KINDS for held in (False, True)}  # type: ignore[arg-type]


def test_documents_are_sources_without_what_is_held_out() -> None:
    size, names = 0, set()
    for number, found in enumerate(files()):
        assert not {"test", "tests", "site-packages", "idlelib"} & set(found.path.split("/")[:-1])
        size += len(found.text)
        if number % 4:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(found.text)
        inside = [
            node for one in tree.body for node in (one.body if isinstance(one, ast.ClassDef) else [one])
        ]
        names |= {node.name for node in inside if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert size > 5_000_000
    assert len(names) > 1000
    assert not [name for name in names if held_out(name)]


def test_functions_are_whole_and_documented(library: tuple[Function, ...]) -> None:
    assert len(library) > 2000
    for found in library:
        node = ast.parse(found.source).body[0]
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        # Where a text has lines left of the code, its margin moves with that of the source.
        assert (ast.get_docstring(node) or "").split() == found.doc.split()
        assert node.name == found.name
        ast.parse(f"{found.signature}: pass")
        bare = ast.parse(found.body).body[0]
        assert isinstance(bare, ast.FunctionDef | ast.AsyncFunctionDef)
        assert [ast.dump(one) for one in bare.body] == [ast.dump(one) for one in node.body[1:]]
    held = sum(held_out(found.name) for found in library) / len(library)
    assert 0.07 < held < 0.13


def test_rows_that_are_held_out_are_in_no_training_set(
    made: dict[tuple[str, bool], list[dict[str, Any]]],
) -> None:
    for kind in KINDS:
        shown = {row["id"].partition("#")[0] for row in made[kind, False]}
        kept = {row["id"].partition("#")[0] for row in made[kind, True]}
        assert shown
        assert kept
        assert not {name.rpartition(".")[2] for name in shown} & {name.rpartition(".")[2] for name in kept}
        assert not any(held_out(name.rpartition(".")[2]) for name in shown)


def test_dialogues_can_be_trained_on(
    made: dict[tuple[str, bool], list[dict[str, Any]]], library: tuple[Function, ...]
) -> None:
    for kind in ("sft1", "sft2"):
        for row in [*made[kind, False], *made[kind, True]]:
            assert [turn.role for turn in to_dialogue(row)] == ["user", "assistant"]
    sources = {f"```python\n{found.source}\n```" for found in library}
    assert {row["messages"][1]["content"] for row in made["sft2", False]} < sources
    # Of one question there is one answer, or a model could not learn it.
    where = [row["messages"] for row in made["sft1", False] if row["id"].endswith("#where")]
    assert len({turns[0]["content"] for turns in where}) == len(where) > 100


def test_snippets_come_with_an_explanation(made: dict[tuple[str, bool], list[dict[str, Any]]]) -> None:
    for row in made["educational", False]:
        lesson, _, code = row["text"].partition("\n\n```python\n")
        assert lesson.startswith("# How `")
        assert code.endswith("\n```\n")


def test_an_explanation_by_hand() -> None:
    source = """def pick(rows, key=None, *, strict=False):
    for row in sorted(rows, key=key):
        if row.good:
            return row
    if strict:
        raise LookupError("none")
    return None
"""
    doc = "Return the best row.\n\nRows without a key are skipped."
    found = Function("shop.rows", "", "pick", "def pick(rows)", doc, source, source)
    assert explanation(found) == (
        "# How `pick` works\n\n"
        "The function `pick` belongs to the module `shop.rows`.\n\n"
        "Return the best row.\n\nRows without a key are skipped.\n\n"
        "It takes `rows`, `key` and `strict`, 2 of them optional. "
        "It goes through `sorted(rows, key=key)` in a loop. "
        "It decides by `row.good` and `strict`. "
        "It relies on `sorted` and `LookupError`. "
        "It may raise `LookupError`. "
        "What comes back is `row` or `None`."
    )


def test_files_are_the_same_in_every_process(tmp_path: Path) -> None:
    code = "import pathlib, sys, train.builtin.rows as r; r.write_builtin('sft1', pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, tmp_path / "one"], check=True, timeout=100)
    one, two = tmp_path / "one" / "sft1.jsonl", write_builtin("sft1", tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()
    assert list(read_jsonl(one)) == list(builtin_rows("sft1"))


def test_a_limit_spreads_over_all(tmp_path: Path, made: dict[tuple[str, bool], list[dict[str, Any]]]) -> None:
    path = write_builtin("sft2", tmp_path, 50)
    rows = list(read_jsonl(path))
    every = [row["id"] for row in made["sft2", False]]
    places = [every.index(row["id"]) for row in rows]
    assert path.name == "sft2.jsonl"
    assert len(rows) == 50
    assert max(places) > len(every) * 0.9
    some = list(read_jsonl(write_builtin("documents", tmp_path, 3)))
    assert len({row["id"].partition("/")[0] for row in some}) == 3
    assert {row["text"] for row in some} == {found.text for found in files(3)}
    held = write_builtin("sft2", tmp_path, held=True)
    assert held.name == "sft2-held-out.jsonl"
    assert list(read_jsonl(held)) == made["sft2", True]


def test_no_sources_and_no_such_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no built-in data 'x'"):
        write_builtin("x", tmp_path)  # type: ignore[arg-type]
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(UserError, match="holds no Python sources"):
        write_builtin("documents", tmp_path / "out")
