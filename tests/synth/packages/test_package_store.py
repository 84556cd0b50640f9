"""Stores of a small distribution: what is public, what is certain, what changed between versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opencoder.errors import DataError, UserError
from synth.packages.diff import changes_near, compare
from synth.packages.docstrings import read_docstring
from synth.packages.environment import build_store
from synth.packages.interpreter import split_requirement
from synth.packages.store import ApiStore, Missing

StoreOf = Callable[..., ApiStore]


@pytest.mark.parametrize("live", [True, False])
def test_public_names_are_those_that_users_write(stores: StoreOf, live: bool) -> None:
    store = stores("1.0", live=live)
    skipped = ("lazy", "run_time", "parts")
    assert [name for name in store.public_names if not any(part in name for part in skipped)] == [
        "shapekit",
        "shapekit.Circle",
        "shapekit.Circle.area",
        "shapekit.Circle.move",
        "shapekit.Circle.radius",
        "shapekit.Circle.unit",
        "shapekit.anything",
        "shapekit.area_of",
        "shapekit.perimeter",
        "shapekit.scale",
    ]
    circle = store.get("shapekit.Circle")
    assert circle is not None
    assert (circle.kind, circle.signature, circle.exact) == ("class", "(radius, *, name='')", True)
    assert (circle.file, circle.distribution, circle.version, circle.license) == (
        "shapekit/_core.py", "shapekit", "1.0", "MIT",
    )  # fmt: skip
    move = store.get("shapekit.Circle.move")
    assert move is not None
    assert (move.kind, move.signature, move.summary) == ("method", "(dx, dy=0)", "Move it.")
    assert [one.name for one in store.members("shapekit.Circle")] == [
        "shapekit.Circle.area",
        "shapekit.Circle.move",
        "shapekit.Circle.radius",
        "shapekit.Circle.unit",
    ]


def test_docstrings_give_examples_and_marks(stores: StoreOf) -> None:
    old, new = stores("1.0"), stores("2.0")
    area, scale = old.get("shapekit.area_of"), old.get("shapekit.scale")
    assert area is not None
    assert scale is not None
    assert area.examples == [">>> from shapekit import area_of\n>>> area_of(2, 3)\n6"]
    assert scale.since == "0.5"
    perimeters = [store.get("shapekit.perimeter") for store in (old, new)]
    assert [one.deprecated for one in perimeters if one] == ["", "2.0 Use edges."]


@pytest.mark.parametrize(
    ("doc", "deprecated", "since"),
    [
        ("Do it.\n\n.. deprecated:: 1.2\n   Use that.\n\nMore.", "1.2 Use that.", ""),
        ("Do it.\n\n.. deprecated:: 17.4.0 *convert*\n.. versionadded:: 18.1\n", "", "18.1"),
        ("Do it.\n\nParameters\n----------\nx : int\n    A number.\n\n    .. deprecated:: 1.2\n", "", ""),
        ("Do it.\n\nArgs:\n    x: A number.\n\n.. deprecated:: 3\n", "", ""),
        ("Do it.\n\nDeprecated since version 3.1: use that.", "3.1: use that.", ""),
        ("Do it, unlike the deprecated one.", "", ""),
    ],
)
def test_marks_count_for_the_whole_thing_only(doc: str, deprecated: str, since: str) -> None:
    marks = read_docstring(doc)
    assert (marks.summary.startswith("Do it"), marks.deprecated, marks.since) == (True, deprecated, since)


def test_a_docstring_may_start_with_its_signature() -> None:
    marks = read_docstring(
        "f(x, /,\n  out=None)\n\nDo it.\n\n>>> f(1)\n2\n\n>>> f(2)\n3\n\nThen:\n\n>>> f(3)\n4\n"
    )
    assert (marks.signature, marks.summary) == ("(x, /, out=None)", "Do it.")
    assert marks.examples == [">>> f(1)\n2\n\n>>> f(2)\n3", ">>> f(3)\n4"]


def test_a_store_is_read_back_as_it_was(stores: StoreOf, tmp_path: Path) -> None:
    store = stores("2.0")
    store.write(tmp_path / "api")
    again = ApiStore.open(tmp_path / "api")
    assert list(again) == list(store)
    assert again.manifest == store.manifest
    with pytest.raises(DataError, match="no API store here"):
        ApiStore.open(tmp_path)


@pytest.mark.usefixtures("needs_sandbox")
def test_what_a_module_makes_at_run_time_is_found_by_loading_it(stores: StoreOf) -> None:
    store, unloaded = stores("2.0"), stores("2.0", live=False)
    assert isinstance(store.resolve("shapekit.lazy.near"), Missing)
    assert store.resolve("shapekit.lazy.worn") is not None
    assert store.resolve("shapekit.run_time.made") is None
    assert isinstance(store.resolve("shapekit.run_time.not_made"), Missing)
    for name in ("shapekit.lazy.near", "shapekit.run_time.not_made"):
        assert unloaded.resolve(name) is None  # sources alone do not tell


def test_a_module_that_has_every_name_is_never_sure(stores: StoreOf) -> None:
    for live in (True, False):
        assert stores("2.0", live=live).resolve("shapekit.anything.whatever") is None


def test_versions_differ_in_names_and_parameters(stores: StoreOf) -> None:
    found = compare(stores("1.0"), stores("2.0"))
    assert found.removed == ["shapekit.area_of"]
    assert found.added == ["shapekit.rectangle_area"]
    assert [(one.old, one.new) for one in found.renamed] == [("shapekit.area_of", "shapekit.rectangle_area")]
    assert [(one.name, one.changes) for one in found.changed] == [
        ("shapekit.scale", ["parameter origin is gone"])
    ]
    assert found.deprecated == ["shapekit.perimeter"]
    near = changes_near(found, "shapekit.rectangle_area")
    assert near == [
        "shapekit.area_of is gone; shapekit.rectangle_area seems to have taken its place",
        "shapekit.perimeter is deprecated",
    ]


def test_a_pinned_version_is_installed_into_an_environment_of_its_own(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    store = build_store(["shapekit==1.0"], tmp_path / "api", live=False)
    assert store.manifest.distributions[0].version == "1.0"
    assert store.get("shapekit.area_of") is not None
    assert len(ApiStore.open(tmp_path / "api")) == len(store)
    with pytest.raises(UserError, match=r"pip cannot install shapekit==3\.0: .*check name and version"):
        build_store(["shapekit==3.0"], None, live=False)


def test_what_cannot_be_asked_for_is_refused(tmp_path: Path) -> None:
    assert split_requirement(" numpy == 2.4.0 ") == ("numpy", "2.4.0")
    for wrong in ("numpy>=2", "numpy==", "git+https://host/x", ""):
        with pytest.raises(UserError, match="give a package as NAME or NAME==VERSION"):
            split_requirement(wrong)
    with pytest.raises(UserError, match="not a Python interpreter"):
        build_store(["numpy"], None, python=tmp_path / "none")


def test_a_trusted_package_is_loaded_by_its_own_interpreter(
    sites: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(sites["2.0"]))
    store = build_store(["shapekit"], None, trust=True)
    assert store.manifest.distributions[0].live
    assert isinstance(store.resolve("shapekit.lazy.near"), Missing)
