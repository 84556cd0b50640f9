"""MinHash speed against datasketch 2.0, alternating in one run: bytes of a file to 16 keys of 2048 lanes.

    .venv/bin/python benchmarks/corpus_minhash.py --files 30 --rounds 3

Contenders, each on one thread: ours; datasketch's default (scheme affine32); datasketch as it was before 2.0
(scheme legacy). Those two get what their users write: words by a regular expression, a set of shingles,
one ``update_batch`` with the default hash, and permutations made once and shared. Figures are CPU seconds;
ratios are the figures to quote. ``--kernels numpy`` measures ours without a compiler.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from datasketch import MinHash

ROOT = Path(__file__).resolve().parent.parent
BARS = {"legacy": 100, "default": 15}
_WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")

Contender = Callable[[bytes], object]


def sample(folder: Path, num: int) -> list[bytes]:
    """Return the contents of the first Python files of a folder, those of at least five words."""
    contents = (path.read_bytes() for path in sorted(folder.glob("*.py")))
    return [content for content in contents if len(_WORD.findall(content)) >= 5][:num]


def peer(scheme: Literal["affine32", "legacy"], num_perm: int, bands: int) -> Contender:
    """Return the path from bytes to band keys that users of datasketch write."""
    permutations = MinHash(num_perm, scheme=scheme).permutations
    rows = num_perm // bands

    def keys(content: bytes) -> list[bytes]:
        words = _WORD.findall(content)
        shingles = {b" ".join(words[i : i + 5]) for i in range(len(words) - 4)}
        one = MinHash(num_perm, permutations=permutations, scheme=scheme)
        one.update_batch(shingles)
        return [one.hashvalues[i * rows : (i + 1) * rows].tobytes() for i in range(bands)]

    return keys


def ours(name: str) -> Contender:
    """Return our path, compiled before the clock starts."""
    sys.path.insert(0, str(ROOT))
    from corpus.dedup import kernels_numba, kernels_numpy
    from corpus.dedup.minhash import BandHasher
    from corpus.dedup.profiles import PROFILES

    hasher = BandHasher(PROFILES["paper"], kernels=kernels_numba if name == "numba" else kernels_numpy)
    hasher.keys(b"five words to warm up")
    return hasher.keys


def cpu_s(contender: Contender, contents: Sequence[bytes]) -> float:
    """Return the CPU seconds of one pass over all files."""
    began = time.process_time()
    for content in contents:
        contender(content)
    return time.process_time() - began


def compare(contents: Sequence[bytes], rounds: int, kernels: str) -> dict[str, Any]:
    """Run all contenders in turn and return the medians and ratios."""
    contenders = {
        "ours": ours(kernels),
        "default": peer("affine32", 2048, 16),
        "legacy": peer("legacy", 2048, 16),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            times[name].append(cpu_s(contender, contents))
    medians = {name: statistics.median(values) for name, values in times.items()}
    size = sum(map(len, contents))
    return {
        "files": len(contents),
        "bytes": size,
        "rounds": rounds,
        "kernels": kernels,
        "cpu_s": {name: round(value, 4) for name, value in medians.items()},
        "mb_per_cpu_s": {name: round(size / value / 1e6, 3) for name, value in medians.items()},
        "speed": {name: round(medians[name] / medians["ours"], 1) for name in BARS},
        "bars": BARS,
    }


def main() -> None:
    """Compare and print one JSON object, and a line that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, default=Path(sysconfig.get_path("stdlib")))
    parser.add_argument("--files", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kernels", choices=["numba", "numpy"], default="numba")
    given = parser.parse_args()
    row = compare(sample(given.folder, given.files), given.rounds, given.kernels)
    print(json.dumps(row))
    shown = ", ".join(f"{row['speed'][name]}x datasketch {name} (bar {bar}x)" for name, bar in BARS.items())
    print(f"MinHash 2048: {row['mb_per_cpu_s']['ours']} MB per CPU second; {shown}", file=sys.stderr)


if __name__ == "__main__":
    main()
