"""Who stays: exact copies, clusters, unknown values, spilling."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import kernels_numba, kernels_numpy
from corpus.dedup.clusters import find_clusters, keep_best, star_edges
from corpus.dedup.exact import UNKNOWN, find_copies, known
from corpus.dedup.kernels import Kernels
from opencoder.errors import UserError

Row = tuple[int, int | None, int | None]


def plain(rows: list[Row]) -> list[int]:
    """The rule in plain Python: most stars, then the newest, then the lowest number."""

    def rank(i: int) -> tuple[float, float, int]:
        _, stars, time = rows[i]
        return (
            -np.inf if stars is None else stars,
            -np.inf if time is None else time,
            -i,
        )

    return [
        max((j for j in range(len(rows)) if rows[j][0] == rows[i][0]), key=rank) for i in range(len(rows))
    ]


def copies(rows: list[Row], folder: Path, **more: int) -> list[int]:
    digests = b"".join(row[0].to_bytes(32, "big") for row in rows)
    stars, times = known([row[1] for row in rows]), known([row[2] for row in rows])
    return find_copies(digests, stars, times, folder=folder, **more).tolist()


VALUES = st.one_of(st.none(), st.integers(-3, 3))
ROWS = st.lists(st.tuples(st.integers(0, 5), VALUES, VALUES), max_size=25)


@given(rows=ROWS)
@settings(deadline=None, max_examples=25)
def test_exact_keeps_the_best(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert copies(rows, tmp_path_factory.mktemp("exact")) == plain(rows)


@given(rows=ROWS)
def test_clusters_keep_by_the_same_rule(rows: list[Row]) -> None:
    groups = np.array([row[0] for row in rows], np.int64)
    stars, times = known([row[1] for row in rows]), known([row[2] for row in rows])
    assert keep_best(groups, stars, times).tolist() == plain(rows)


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(1, 5, 9), (1, 7, 1)], 1),
        ([(1, 5, 9), (1, 5, 10)], 1),
        ([(1, 5, 9), (1, 5, 9)], 0),
        ([(1, None, 99), (1, 0, None)], 1),
        ([(1, 0, None), (1, 0, -5)], 1),
        ([(1, None, None), (1, None, None)], 0),
    ],
)
def test_rule(rows: list[Row], kept: int, tmp_path: Path) -> None:
    assert copies(rows, tmp_path) == [kept, kept]


def test_digests_that_differ_in_one_byte(tmp_path: Path) -> None:
    digests = b"".join(bytes(i) + b"\x01" + bytes(31 - i) for i in range(32)) + b"\xff" * 64
    values = known([None] * 34)
    assert find_copies(digests, values, values, folder=tmp_path).tolist() == [*range(33), 32]


def test_spilling_gives_the_same(tmp_path: Path) -> None:
    seed = random.Random(1)
    num = 400_000
    # Every file twice: nothing of the groups can be forgotten early.
    digests = b"".join(seed.randbytes(32) for _ in range(num // 2)) * 2
    stars, times = known(seed.choices([None, 0, 1], k=num)), known(seed.choices([None, 5], k=num))

    def run(name: str, memory_mb: int) -> tuple[list[int], int]:
        folder = tmp_path / name
        folder.mkdir()
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(
                find_copies, digests, stars, times, folder=folder, memory_mb=memory_mb, threads=1
            )
            spilled = 0
            while not work.done():
                spilled = max(spilled, len(list((folder / "spill").glob("*"))))
                time.sleep(0.002)
        return work.result().tolist(), spilled

    expected, spilled = run("large", 2048)
    assert not spilled
    result, spilled = run("small", 32)
    assert result == expected
    assert sum(kept != i for i, kept in enumerate(result)) == num // 2
    assert spilled, "all fitted into memory, so nothing was proved"


def test_too_little_memory_is_one_line(tmp_path: Path) -> None:
    digests = random.Random(2).randbytes(32 * 200_000)
    values = known([None] * 200_000)
    with pytest.raises(UserError, match=r"raise --memory-mb"):
        find_copies(digests, values, values, folder=tmp_path, memory_mb=1)


def test_unknown_is_lowest() -> None:
    assert known([None, -(2**63) + 1]).tolist() == [UNKNOWN, -(2**63) + 1]


def test_star_edges_lead_to_the_lowest() -> None:
    left, right = star_edges(np.array([7, 3, 7, 3, 1, 7], np.uint64))
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == {(1, 3), (0, 2), (0, 5)}


@pytest.mark.parametrize("kernels", [kernels_numba, kernels_numpy], ids=["numba", "numpy"])
@given(table=st.lists(st.lists(st.integers(0, 6), min_size=12, max_size=12), min_size=1, max_size=3))
@settings(deadline=None)
def test_clusters_are_connected_components(kernels: Kernels, table: list[list[int]]) -> None:
    found = find_clusters(12, [np.array(row, np.uint64) for row in table], kernels)
    label = list(range(12))
    changed = True
    while changed:
        changed = False
        for row in table:
            for i in range(12):
                for j in range(12):
                    if row[i] == row[j] and label[i] > label[j]:
                        label[i], changed = label[j], True
    assert found.tolist() == label


@pytest.mark.parametrize("num", [0, 1])
def test_few_files(num: int) -> None:
    assert find_clusters(num, [np.zeros(num, np.uint64)] * 2).tolist() == list(range(num))
