"""Tokens per second and core that the loader makes into batches, from the page cache.

    .venv/bin/python benchmarks/train_loader.py

Documents of about 1,000 tokens in uint32 shards are shuffled, cut into sequences of 4,096 with document
masks, and come out as tensors of 8 sequences. Each round reads a whole epoch in a process of its own. Its CPU
seconds, those of the thread that reads ahead included, are the figure: what one core does. The first step is
not timed: it loads torch and makes the order of the epoch (told as ``first_s``).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BAR = 50.0
_VOCAB = 96_640
_SHARD_TOKENS = 12_500_000
_MICRO = 8


def make_shards(folder: Path, num: int, mean: int) -> None:
    """Write shards of about ``num`` tokens in documents of about ``mean``."""
    from train.tokens.format import Manifest, TokenizerId
    from train.tokens.write import ShardWriter, write_manifest

    random = np.random.default_rng(1)
    shards = []
    while sum(shard.tokens for shard in shards) < num:
        with ShardWriter(folder, f"part-{len(shards):06}", dtype="uint32", source="made") as writer:
            while writer.tokens < min(num, _SHARD_TOKENS):
                length = 1 + int(random.exponential(mean))
                writer.add(random.integers(1, _VOCAB, length, dtype=np.uint32))
        shards.append(writer.shard)
    tokenizer = TokenizerId(
        sha256="",
        vocab=_VOCAB,
        eos=0,
        special={"<|fim_prefix|>": 1, "<|fim_middle|>": 2, "<|fim_suffix|>": 3},
    )
    write_manifest(folder, Manifest(kind="documents", dtype="uint32", tokenizer=tokenizer, shards=shards))


def measure(folder: Path, seq_len: int, fim_rate: float) -> dict[str, Any]:
    """Read one epoch in this process."""
    from train.loader import Batches
    from train.spec import Batch, Data, Source
    from train.stream.open import open_stream
    from train.tokens.read import TokenShards

    TokenShards(folder).verify()  # Everything is in the page cache now.
    data = Data(sources=[Source(folder=str(folder))], fim_rate=fim_rate)
    stream = open_stream(data, seq_len=seq_len, vocab=_VOCAB)
    num = int(stream.per_epoch) // _MICRO
    batches = iter(Batches(stream, Batch(sequences=_MICRO, seq_len=seq_len, micro=_MICRO)))
    began = time.process_time()
    next(batches)
    first_s, began, wall = time.process_time() - began, time.process_time(), time.perf_counter()
    for _ in range(num):
        next(batches)
    cpu_s, wall_s = time.process_time() - began, time.perf_counter() - wall
    return {"tokens": num * _MICRO * seq_len, "cpu_s": cpu_s, "wall_s": wall_s, "first_s": first_s}


def compare(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Read an epoch in as many new processes as there are rounds, and return the medians."""
    words = [
        sys.executable,
        "-P",
        __file__,
        "--seq-len",
        str(given.seq_len),
        "--fim-rate",
        str(given.fim_rate),
    ]
    rows: list[dict[str, Any]] = []
    for _ in range(given.rounds):
        done = subprocess.run([*words, "--measure", str(folder)], check=True, capture_output=True)
        rows.append(json.loads(done.stdout))
    rates = [row["tokens"] / row["cpu_s"] / 1e6 for row in rows]
    return {
        "tokens": rows[0]["tokens"],
        "mean_document": given.mean,
        "seq_len": given.seq_len,
        "fim_rate": given.fim_rate,
        "rounds": given.rounds,
        "cpu_s": round(statistics.median(row["cpu_s"] for row in rows), 3),
        "wall_s": round(statistics.median(row["wall_s"] for row in rows), 3),
        "first_s": round(statistics.median(row["first_s"] for row in rows), 3),
        "mtokens_per_s": round(statistics.median(rates), 1),
        "slowest": round(min(rates), 1),
        "bar": BAR,
    }


def main() -> None:
    """Measure and print one JSON object, and a line that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tokens", type=int, default=200_000_000)
    parser.add_argument("--mean", type=int, default=1000)
    parser.add_argument("--seq-len", type=int, default=4096)
    parser.add_argument("--fim-rate", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if given.measure:
        print(json.dumps(measure(Path(given.measure), given.seq_len, given.fim_rate)))
        return
    with tempfile.TemporaryDirectory(prefix="train-loader-") as name:
        make_shards(Path(name), given.tokens, given.mean)
        row = compare(Path(name), given)
    print(json.dumps(row))
    print(
        f"loader: {row['mtokens_per_s']} M tokens/s per core (bar {BAR:g}), slowest round {row['slowest']}, "
        f"documents of {given.mean} tokens in sequences of {given.seq_len}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
