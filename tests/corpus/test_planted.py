"""Planted near-duplicates of known similarity: how many are found, how many are right, in any order."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup.keys import write_bands, write_keys
from corpus.dedup.near import find_near_in
from corpus.dedup.profiles import PROFILES, ProfileName, choose_profile
from corpus.dedup.run import Settings, Summary, deduplicate
from corpus.dedup.verify import MAX_KEPT, settle

Rows = list[dict[str, Any]]
Lines = list[str]
PAIRS = 60
LICENCE = "# Copyright {} by {}\n# Licensed under the terms of {}; all rights reserved by its owner {}.\n"


def source(seed: random.Random, num_lines: int = 250) -> Lines:
    """Something like a program in which hardly two runs of five words are alike."""
    names = [f"name_{seed.randrange(10**6)}" for _ in range(400)]
    pick = lambda: seed.choice(names)  # noqa: E731
    return [
        f"    {pick()} = {pick()}({pick()}, {pick()}.{pick()}[{seed.randrange(99)}])"
        for _ in range(num_lines)
    ]


def change_words(share: float) -> Callable[[random.Random, Lines], Lines]:
    def change(seed: random.Random, lines: Lines) -> Lines:
        words = lambda line: re.sub(  # noqa: E731
            r"\w+",
            lambda found: f"other_{seed.randrange(10**9)}" if seed.random() < share else found[0],
            line,
        )
        changed = [words(line) for line in lines]
        return changed if changed != lines else [*lines, "end"]

    return change


def rename(seed: random.Random, lines: Lines) -> Lines:
    """One name in fifty is another one, wherever it occurs."""
    names = sorted(set(re.findall(r"name_\w+", "\n".join(lines))))
    new = {name: f"renamed_{i}" for i, name in enumerate(seed.sample(names, len(names) // 50))}
    return [re.sub(r"name_\w+", lambda found: new.get(found[0], found[0]), line) for line in lines]


def licence(seed: random.Random, lines: Lines) -> Lines:
    return [LICENCE.format(*(seed.randrange(10**6) for _ in range(4))), *lines]


def blanks(seed: random.Random, lines: Lines) -> Lines:
    return [line.replace("    ", "\t").replace(", ", ",") + " " * seed.randrange(3) + "\r" for line in lines]


KINDS: dict[str, Callable[[random.Random, Lines], Lines]] = {
    "blanks": blanks,
    "licence": licence,
    "rename": rename,
    **{
        f"words {share}": change_words(share)
        for share in (0.0005, 0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15)
    },
}


def shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return set(zip(*(words[i:] for i in range(5)), strict=False))


def true_similarity(one: str, other: str) -> float:
    left, right = shingles(one), shingles(other)
    return len(left & right) / len(left | right)


@pytest.fixture(scope="module")
def planted() -> tuple[Rows, dict[str, float]]:
    """Originals, each with one changed copy, and the similarity of the two by the id of the copy."""
    seed = random.Random(7)
    rows, similar = [], {}
    for kind, change in KINDS.items():
        for i in range(PAIRS):
            lines = source(seed)
            one, other = "\n".join(lines), "\n".join(change(seed, lines))
            rows.append({"id": f"{kind}/{i}/original", "stars": 1, "content": one})
            rows.append({"id": f"{kind}/{i}/copy", "stars": 0, "content": other})
            similar[f"{kind}/{i}/copy"] = true_similarity(one, other)
    seed.shuffle(rows)
    return rows, similar


def run(rows: Rows, folder: Path, profile: ProfileName, **more: Any) -> tuple[Summary, dict[str, Any]]:
    pq.write_table(pa.Table.from_pylist(rows), folder / "in.parquet")
    done = deduplicate(
        Settings(source=folder / "in.parquet", out=folder / "out", profile=choose_profile(profile), **more)
    )
    return done, {row["id"]: row for row in pq.read_table(folder / "out" / "dropped.parquet").to_pylist()}


# Above the lowest similarity, at least so many are found; below the highest, at most so many.
RATES = [("paper", 0.99, 0.99, 0.93, 0.02), ("near", 0.8, 0.97, 0.55, 0.1), ("stack", 0.85, 0.97, 0.45, 0.1)]


@pytest.mark.parametrize(("profile", "above", "recall", "below", "found_below"), RATES)
def test_planted_are_found_at_the_stated_rate(
    profile: ProfileName,
    above: float,
    recall: float,
    below: float,
    found_below: float,
    planted: tuple[Rows, dict[str, float]],
    tmp_path: Path,
) -> None:
    rows, similar = planted
    done, gone = run(rows, tmp_path, profile)
    # Nothing but the planted goes, each for its own original, at the similarity that plain sets give.
    assert done.exact_duplicates == 0
    for name, row in gone.items():
        assert row["kept_id"] == name.replace("/copy", "/original")
        assert row["jaccard"] == pytest.approx(similar[name], abs=1e-3)
    near = [name for name, value in similar.items() if value >= above]
    far = [name for name, value in similar.items() if value < below]
    assert min(len(near), len(far)) >= PAIRS
    assert sum(name in gone for name in near) >= recall * len(near)
    assert sum(name in gone for name in far) <= found_below * len(far)
    # Over all pairs, as many are found as the curve of the profile says, within four standard deviations.
    chances = np.array([PROFILES[profile].chance(value) for value in similar.values()])
    spread = float(np.sqrt((chances * (1 - chances)).sum()))
    assert abs(len(gone) - chances.sum()) <= 4 * spread + 1
    # Blanks and line ends are no part of a shingle.
    assert all(f"blanks/{i}/copy" in gone for i in range(PAIRS))


def test_verified_drops_are_right(planted: tuple[Rows, dict[str, float]], tmp_path: Path) -> None:
    rows, similar = planted
    done, gone = run(rows, tmp_path, "near", verify=0.85)
    assert done.spared > 0
    assert all(similar[name] >= 0.85 for name in gone)
    near = [name for name, value in similar.items() if value >= 0.851]
    assert sum(name in gone for name in near) >= 0.99 * len(near)
    assert done.fuzzy_duplicates == len(gone) == done.clusters - done.spared


def test_a_chain_does_not_drop_its_far_end(tmp_path: Path) -> None:
    # Each is near to the next, the first and the last have nothing in common.
    words = [f"w{i}" for i in range(2000)]
    rows = [{"id": f"{i:02}", "content": " ".join(words[20 * i : 20 * i + 400])} for i in range(41)]
    done, gone = run(rows, tmp_path, "near")
    assert (done.clusters, done.largest_cluster, len(gone)) == (1, 41, 40)
    assert min(row["jaccard"] for row in gone.values()) == 0
    for threads in (1, 2, 4):
        random.Random(threads).shuffle(rows)
        done, gone = run(rows, tmp_path, "near", verify=0.8, concurrency=threads)
        # Shifted by 20 or 40 of 400 words the similarity is .90 or .82, by 60 it is .74.
        assert sorted({f"{i:02}" for i in range(41)} - set(gone)) == [f"{i:02}" for i in range(0, 41, 3)]
        assert all(row["jaccard"] >= 0.8 for row in gone.values())
        assert done.spared == 13
        assert done.cluster_sizes == {64: 1}


def test_settling_compares_with_so_many_only() -> None:
    asked = []

    def distinct(number: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
        asked.append(number)
        # The last is like the first that is no longer compared with, and like the second.
        return np.array([{-1: MAX_KEPT, -2: 1}.get(number, number)], np.uint32)

    gone = settle([*range(MAX_KEPT + 5), -1, -2], distinct, least=0.5)
    assert [(row.number, row.kept, row.jaccard) for row in gone] == [(-2, 1, 1.0)]
    assert len(asked) == MAX_KEPT + 7
    assert [row.kept for row in settle([3, 1, 2], distinct)] == [3, 3]


TABLE = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.none() | st.integers(0, 2)), min_size=1, max_size=30
)


@given(table=TABLE, seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_numbers_and_files_change_nothing(
    table: list[tuple[int, int, int | None]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("near")
    outcomes = set()
    for attempt, threads in enumerate((1, 2, 4)):
        order = list(range(len(table)))
        if attempt:
            random.Random(seed + attempt).shuffle(order)
        cut = (seed * attempt) % len(table)
        keys, bands = [], []
        for first, part in ((0, order[:cut]), (cut, order[cut:])):
            rows = [table[i] for i in part]
            keys.append(folder / f"keys-{first}-{attempt}-{len(keys)}")
            bands.append(folder / f"bands-{first}-{attempt}-{len(keys)}")
            write_keys(
                keys[-1],
                first=first,
                digests=bytes(32 * len(part)),
                stars=[row[2] for row in rows],
                times=[None] * len(part),
                ids=[f"id {i}" for i in part],
            )
            values = np.array([row[:2] for row in rows], np.uint64).reshape(-1, 2)
            write_bands(bands[-1], np.arange(first, first + len(part)), values)
        found = find_near_in(bands[::-1], keys, folder / "out", folder=folder, threads=threads)
        rows_out = pq.read_table(folder / "out").to_pylist()
        pairs = sorted((order[row["number"]], order[row["kept"]]) for row in rows_out)
        outcomes.add((tuple(pairs), tuple(found.histogram().items()), found.buckets.num_edges))
        assert [row["number"] for row in rows_out] == sorted(row["number"] for row in rows_out)
    assert len(outcomes) == 1
