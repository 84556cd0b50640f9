"""Real packages: re-exports of httpx, compiled members of numpy, the way code in the wild uses them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

from synth.packages.check import check_code
from synth.packages.environment import build_store
from synth.packages.store import ApiStore, Missing


def installed(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(spec.origin).parent


@pytest.fixture(scope="module")
def numpy_store() -> ApiStore:
    installed("numpy")
    store = build_store(["numpy"], None)
    if not store.manifest.distributions[0].live:
        pytest.skip(store.manifest.distributions[0].notes[0])
    return store


def test_names_are_followed_to_where_they_are_defined() -> None:
    installed("httpx")
    store = build_store(["httpx"], None, live=False)
    exported = importlib.import_module("httpx").__all__
    found = {name: store.get(f"httpx.{name}") for name in exported}
    assert [name for name, entry in found.items() if entry is None] == []
    client = found["Client"]
    assert client is not None
    assert (client.name, client.file) == ("httpx.Client", "httpx/_client.py")
    assert not [name for name in store.public_names if "._client" in name or "._models" in name]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_compiled_callables_of_numpy_have_signatures(numpy_store: ApiStore) -> None:
    numpy = importlib.import_module("numpy")
    names = [name for name in numpy.__all__ if callable(getattr(numpy, name))]
    signed = [name for name in names if (one := numpy_store.get(f"numpy.{name}")) and one.signature]
    assert len(names) > 400
    assert len(signed) >= 0.98 * len(names)
    array = numpy_store.get("numpy.array")
    assert array is not None
    assert "dtype" in [one.name for one in array.parameters]
    assert array.summary == "Create an array."
    assert array.examples


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_names_that_numpy_dropped_are_known_to_be_gone(numpy_store: ApiStore) -> None:
    numpy = importlib.import_module("numpy")
    for name in ("float_", "product", "NaN", "asfarray"):
        assert isinstance(numpy_store.resolve(f"numpy.{name}"), Missing) != hasattr(numpy, name)
    assert numpy_store.resolve("numpy.linalg.norm") is numpy_store.get("numpy.linalg.norm")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_names_that_numpy_itself_uses_are_not_accused(numpy_store: ApiStore) -> None:
    """Every accusation is checked against the loaded numpy: the name must really be missing."""
    numpy = importlib.import_module("numpy")
    folder = installed("numpy")
    files = [
        *sorted(folder.glob("lib/*.py")),
        *sorted(folder.glob("linalg/**/*.py")),
        *sorted(folder.glob("ma/*.py")),
    ]
    assert len(files) > 20
    for file in files:
        for problem in check_code(file.read_text(encoding="utf-8"), numpy_store):
            assert problem.kind != "unknown_argument", problem
            if problem.kind == "unknown_name":
                parent, _, name = problem.name.rpartition(".")
                holder = importlib.import_module(parent) if parent != "numpy" else numpy
                assert not hasattr(holder, name), problem
