"""Exact copies among many keys against DuckDB's own ``arg_max``, alternating, one thread each.

    .venv/bin/python benchmarks/corpus_exact.py --keys 10000000 --rounds 3

Three of four keys are copies, as in the paper (arXiv:2411.04905, section 2.1); a tenth of the copies lies in
the repository of its original, so that only ids tell them apart. DuckDB groups the same Parquet files by the
four parts of the hash and takes the best number by stars, commit time and number, with as much memory as it
likes. Ours gets --memory-mb, breaks ties by id and writes which document goes for which. Each runs in a
process of its own; figures are CPU seconds and peak resident memory, and the ratio is the figure to quote.
The check for ids that occur twice, which the query has no part of, is timed by itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BAR = 1.5
_SHARD = 1_000_000
_REPOS = 300_000
_HASHES = "h0, h1, h2, h3"


def make_keys(folder: Path, num: int) -> None:
    """Write key files of ``num`` documents."""
    sys.path.insert(0, str(ROOT))
    from corpus.dedup.keys import write_keys

    random = np.random.default_rng(1)
    originals = max(1, num // 4)
    digests = random.integers(0, 256, (originals, 32), dtype=np.uint8)
    home = random.integers(0, _REPOS, originals)
    of = np.concatenate((np.arange(originals), random.integers(0, originals, num - originals)))
    random.shuffle(of)
    for first in range(0, num, _SHARD):
        part = of[first : first + _SHARD]
        repos = np.where(random.random(part.size) < 0.1, home[part], random.integers(0, _REPOS, part.size))
        write_keys(
            folder / f"keys-{first:010}.parquet",
            first=first,
            digests=digests[part].tobytes(),
            stars=[None if repo % 5 == 0 else repo * 7919 % 1009 // 10 for repo in repos.tolist()],
            times=[
                None if repo % 9 == 0 else 1_600_000_000_000_000 + repo * 1_000_003 for repo in repos.tolist()
            ],
            ids=[
                f"owner{r % 9973}/repo{r}/src/module{i % 97}/file{i}.py"
                for i, r in enumerate(repos.tolist(), first)
            ],
        )


def ours(files: Sequence[Path], folder: Path, memory_mb: int) -> int:
    """Return the number of documents that stay."""
    from corpus.dedup.exact import find_copies_in

    kept = find_copies_in(files, folder / "copies.parquet", folder=folder, memory_mb=memory_mb)
    return int((kept == np.arange(kept.size)).sum())


def check(files: Sequence[Path], folder: Path, memory_mb: int) -> int:
    """Return 0; no id occurs twice."""
    from corpus.dedup.keys import check_ids

    check_ids(files, folder=folder, memory_mb=memory_mb)
    return 0


def plain(files: Sequence[Path], folder: Path, memory_mb: int) -> int:
    """Return the number of groups."""
    import duckdb

    del folder, memory_mb
    query = (
        f"SELECT count(*), sum(kept) FROM (SELECT {_HASHES}, arg_max(number, (stars, commit_time, -number)) "  # noqa: S608
        f"AS kept FROM read_parquet($1) GROUP BY {_HASHES})"
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        row = connection.execute(query, [[str(path) for path in files]]).fetchone()
    return int(row[0]) if row else 0


CONTENDERS = {"ours": ours, "arg_max": plain, "check_ids": check}


def measure(name: str, folder: Path, memory_mb: int) -> dict[str, Any]:
    """Run one contender in this process."""
    sys.path.insert(0, str(ROOT))
    import pyarrow.parquet

    from corpus.dedup import exact

    del pyarrow, exact  # Imported before the clock starts.
    began = time.process_time()
    found = CONTENDERS[name](sorted(folder.glob("keys-*.parquet")), folder, memory_mb)
    cpu_s = time.process_time() - began
    # Not ru_maxrss, which a new process takes over from the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = int(status.partition("VmHWM:")[2].split()[0])
    return {"cpu_s": cpu_s, "rss_mb": peak_kib >> 10, "found": found}


def compare(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Run all contenders in turn, each in a new process, and return the medians and the ratio."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(given.rounds):
        for name in CONTENDERS:
            words = [sys.executable, "-P", __file__, "--memory-mb", str(given.memory_mb)]
            done = subprocess.run([*words, "--measure", name, str(folder)], check=True, capture_output=True)
            rows[name].append(json.loads(done.stdout))
    if rows["ours"][0]["found"] != rows["arg_max"][0]["found"]:
        raise SystemExit(f"results differ: {rows}")
    cpu_s = {name: statistics.median(row["cpu_s"] for row in found) for name, found in rows.items()}
    return {
        "keys": given.keys,
        "kept": rows["ours"][0]["found"],
        "rounds": given.rounds,
        "memory_mb": given.memory_mb,
        "cpu_s": {name: round(value, 2) for name, value in cpu_s.items()},
        "rss_mb": {name: max(row["rss_mb"] for row in found) for name, found in rows.items()},
        "ratio": round(cpu_s["ours"] / cpu_s["arg_max"], 2),
        "bar": BAR,
    }


def main() -> None:
    """Compare and print one JSON object, and a line that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-mb", type=int, default=1024)
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure[0], Path(given.measure[1]), given.memory_mb)))
        return
    with tempfile.TemporaryDirectory(prefix="corpus-exact-") as name:
        make_keys(Path(name), given.keys)
        row = compare(Path(name), given)
    print(json.dumps(row))
    print(
        f"exact copies of {row['keys']} keys: {row['ratio']}x the CPU time of DuckDB's arg_max (bar {BAR}x), "
        f"peak {row['rss_mb']['ours']} MiB against {row['rss_mb']['arg_max']} MiB",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
