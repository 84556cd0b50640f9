"""Held-out tasks: those of the real benchmarks, and a few of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opencoder.store import write_jsonl
from synth.decontam.detector import Detector
from synth.decontam.references import Reference, load_references

SHARED = Path(__file__).resolve().parents[4] / "shared" / "benchmarks"

OWN = [
    Reference(
        benchmark="own",
        task_id="own/1",
        prompt="Write a function that gives back how many lanterns a harbour of given width needs at night.",
        solution=(
            "def count_lanterns(width, spacing):\n"
            "    posts = width // spacing + 1\n"
            "    return posts if width % spacing == 0 else posts + 1\n"
        ),
        tests="assert count_lanterns(100, 10) == 11\nassert count_lanterns(95, 10) == 11",
        entry_point="count_lanterns",
        language="python",
    ),
    Reference(
        benchmark="own",
        task_id="own/2",
        prompt=(
            'def pick(apples, pears):\n    """Choose the riper fruit of two baskets.\n'
            '    >>> pick([1], [2])\n    2\n    """\n'
        ),
        solution="def pick(apples, pears):\n    return max(max(apples), max(pears))\n",
        entry_point="pick",
    ),
    Reference(
        benchmark="other", task_id="7", prompt="Compute the hexagonal lattice number.", entry_point="hexa_num"
    ),
    Reference(
        benchmark="other",
        task_id="8",
        prompt="Numbers.",
        tests="assert f([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) == 12\nassert f([]) == 0",
        entry_point="f",
        solution="def f(x):\n    return 12 if x else 0",
    ),
]


@pytest.fixture(scope="session")
def own() -> Detector:
    """Finds four small tasks, in the default mode."""
    return Detector(OWN)


@pytest.fixture(scope="session")
def real_references() -> Iterator[list[Reference]]:
    """The tasks of all benchmarks, read as a user's command reads them."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/benchmarks with the real data files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENCODER_DATA", str(SHARED))
        yield load_references()


@pytest.fixture(scope="session")
def real(real_references: list[Reference]) -> Detector:
    """Finds the tasks of all benchmarks, in the default mode."""
    return Detector(real_references)


@pytest.fixture
def own_references() -> list[Reference]:
    """The four small tasks."""
    return OWN


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """The four small tasks as a file."""
    path = tmp_path / "held" / "own.jsonl"
    path.parent.mkdir()
    write_jsonl(path, OWN)
    return path
