"""The global steps with far less memory than their keys take: equal results, spilled to disk."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpus.database import open_database
from corpus.dedup.exact import find_copies_in
from corpus.dedup.keys import check_ids, rank_documents, write_keys
from opencoder.errors import DataError, UserError

ROOT = Path(__file__).resolve().parents[2]
NUM = 2_000_000
PROGRAM = """
import hashlib, json, os, sys, threading
from pathlib import Path
from corpus.dedup.exact import find_copies_in
import pyarrow.parquet
try:
    # DuckDB loads it where it is installed, whatever it is given.
    import pandas
except ImportError:
    pass

folder, memory_mb = Path(sys.argv[1]), int(sys.argv[2])
spilled, most, done = 0, 0, threading.Event()

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def watch():
    global spilled, most
    while not done.wait(0.005):
        most = max(most, resident())
        try:
            spilled = max(spilled, sum(path.stat().st_size for path in (folder / "spill").glob("*")))
        except FileNotFoundError:
            pass

before = resident()
thread = threading.Thread(target=watch, daemon=True)
thread.start()
kept = find_copies_in(sorted(folder.glob("keys-*")), folder / "out", folder=folder, memory_mb=memory_mb)
done.set()
thread.join()
digest = hashlib.sha256(kept.tobytes()).hexdigest()
print(json.dumps({"sha256": digest, "spilled": spilled, "bytes": most - before}))
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """Key files of documents of which three in four are copies, and which document stays for each."""
    folder = tmp_path_factory.mktemp("keys")
    seed = np.random.default_rng(1)
    digests = seed.integers(0, 256, (NUM // 4, 32), dtype=np.uint8)
    of = np.concatenate((np.arange(NUM // 4), seed.integers(0, NUM // 4, NUM - NUM // 4)))
    seed.shuffle(of)
    stars = seed.integers(0, 3, NUM)
    for first in range(0, NUM, NUM // 4):
        part = slice(first, first + NUM // 4)
        write_keys(
            folder / f"keys-{first:08}",
            first=first,
            digests=digests[of[part]].tobytes(),
            stars=stars[part].tolist(),
            times=[None] * (NUM // 4),
            # From the last to the first, so that the lowest id is never the lowest number.
            ids=[f"{NUM - i:08}" for i in range(first, first + NUM // 4)],
        )
    # The last of equal stars has the lowest id.
    order = np.lexsort((np.arange(NUM), stars, of))
    last = np.flatnonzero(np.diff(of[order], append=-1))
    return folder, order[last][of].tolist()


def run(folder: Path, memory_mb: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(memory_mb)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_little_memory_gives_the_same(keys: tuple[Path, list[int]]) -> None:
    folder, expected = keys
    assert find_copies_in(sorted(folder.glob("keys-*")), folder / "o", folder=folder).tolist() == expected
    large, small = run(folder, 2048), run(folder, 64)
    assert small["sha256"] == large["sha256"]
    assert large["spilled"] == 0
    # The rows to sort are 56 bytes each, 107 MiB without the ids.
    assert small["spilled"] > 32 << 20, "all fitted into memory, so nothing was proved"
    # 64 MiB, the result, and what the allocators hold back.
    assert small["bytes"] < 192 << 20
    assert small["bytes"] < large["bytes"] * 0.75
    assert not list((folder / "spill").glob("*"))


def test_ranking_spills_too(keys: tuple[Path, list[int]], tmp_path: Path) -> None:
    files = sorted(keys[0].glob("keys-*"))
    expected = rank_documents(files, folder=tmp_path)
    assert np.array_equal(np.sort(expected), np.arange(NUM))
    assert np.array_equal(rank_documents(files, folder=tmp_path, memory_mb=96), expected)
    some = expected[::-100]
    assert np.array_equal(rank_documents(files, among=some, folder=tmp_path), some[::-1])


def test_too_little_memory_is_one_line(keys: tuple[Path, list[int]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"raise --memory "):
        find_copies_in(sorted(keys[0].glob("keys-*")), tmp_path / "out", folder=tmp_path, memory_mb=1)


def small(path: Path, first: int, ids: list[str]) -> Path:
    num = len(ids)
    seed = random.Random(first)
    write_keys(
        path, first=first, digests=seed.randbytes(32 * num), stars=[1] * num, times=[None] * num, ids=ids
    )
    return path


def test_two_documents_of_one_id(tmp_path: Path) -> None:
    files = [small(tmp_path / "a", 0, ["x", "y", "ä"]), small(tmp_path / "b", 3, ["z", "ä", "y"])]
    check_ids(files[:1], folder=tmp_path)
    check_ids([], folder=tmp_path)
    with pytest.raises(DataError, match="a second document with id 'y'"):
        check_ids(files, folder=tmp_path)


@pytest.mark.parametrize("first", [0, 2, 4])
def test_numbers_must_be_whole(first: int, tmp_path: Path) -> None:
    files = [small(tmp_path / "a", 0, ["x", "y", "z"]), small(tmp_path / "b", first, ["u", "v"])]
    with pytest.raises(DataError, match="do not hold each number below 5 once"):
        find_copies_in(files, tmp_path / "out", folder=tmp_path)


def test_broken_key_file(tmp_path: Path) -> None:
    whole = small(tmp_path / "a", 0, ["x"] * 1000)
    whole.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(DataError):
        find_copies_in([whole], tmp_path / "out", folder=tmp_path)


def test_nothing_is_drawn_amid_the_output(tmp_path: Path) -> None:
    with open_database(tmp_path, memory_mb=64, threads=1) as database:
        said = database.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    assert said == (False,)
