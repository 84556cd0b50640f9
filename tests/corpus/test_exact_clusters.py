"""Who stays: exact copies, clusters, unknown values, spilling."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import kernels_numba, kernels_numpy
from corpus.dedup.clusters import find_clusters, star_edges
from corpus.dedup.exact import find_copies_in
from corpus.dedup.kernels import Kernels
from corpus.dedup.keys import write_bands, write_keys
from corpus.dedup.near import find_near_in

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


def write(rows: list[Row], folder: Path, num_files: int = 1) -> list[Path]:
    """Key files of the rows; ids are in the order of numbers."""
    files = []
    for first in range(0, len(rows), max(1, -(-len(rows) // num_files))):
        part = rows[first : first + max(1, -(-len(rows) // num_files))]
        files.append(folder / f"keys-{first}.parquet")
        write_keys(
            files[-1],
            first=first,
            digests=b"".join(row[0].to_bytes(32, "big") for row in part),
            stars=[row[1] for row in part],
            times=[row[2] for row in part],
            ids=[f"{first + i:09}" for i in range(len(part))],
        )
    return files


def copies(rows: list[Row], folder: Path, **more: int) -> list[int]:
    return find_copies_in(write(rows, folder, 3), folder / "out", folder=folder, **more).tolist()


VALUES = st.one_of(st.none(), st.integers(-3, 3))
ROWS = st.lists(st.tuples(st.integers(0, 5), VALUES, VALUES), max_size=25)


@given(rows=ROWS)
@settings(deadline=None, max_examples=25)
def test_exact_keeps_the_best(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert copies(rows, tmp_path_factory.mktemp("exact")) == plain(rows)


@given(rows=ROWS)
@settings(deadline=None, max_examples=25)
def test_clusters_keep_by_the_same_rule(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("near")
    keys = np.array([[row[0]] for row in rows], np.uint64).reshape(-1, 1)
    write_bands(folder / "bands", np.arange(len(rows)), keys)
    find_near_in([folder / "bands"], write(rows, folder), folder / "out", folder=folder)
    kept = list(range(len(rows)))
    for row in pq.read_table(folder / "out").to_pylist():
        kept[row["number"]] = row["kept"]
    assert kept == plain(rows)


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
    values = [*(1 << 8 * i for i in range(32)), 2**256 - 1, 2**256 - 1]
    rows: list[Row] = [(value, None, None) for value in values]
    random.Random(1).shuffle(rows)
    assert copies(rows, tmp_path) == plain(rows)


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
