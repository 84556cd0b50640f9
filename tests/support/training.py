"""A small model trained for real: shards of the standard library, specs, and the training processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from opencoder.store import read_jsonl, write_jsonl
from train.bpe.folder import write_folder
from train.bpe.train import train_tokenizer
from train.builtin.rows import write_builtin
from train.sft.template import CHAT_TEMPLATE
from train.shape import Shape
from train.spec import (
    Batch,
    Checkpoints,
    Compute,
    Data,
    Parallel,
    RunSpec,
    Schedule,
    Source,
    write_spec,
)
from train.tokens.tokenize import tokenize

VOCAB = 512
SHAPE = Shape(
    layers=2,
    hidden=96,
    ffn=192,
    heads=4,
    kv_heads=2,
    head_dim=24,
    vocab=VOCAB,
    max_positions=256,
    rope_theta=10000.0,
)
ROOT = Path(__file__).resolve().parents[2]


def make_data(folder: Path) -> None:
    """Write ``tokenizer`` and ``shards``: documents of the standard library, under a tokenizer of 512 ids."""
    rows = write_builtin("documents", folder / "rows", limit=60)
    texts = [row["text"][:6000] for row in read_jsonl(rows)]
    write_jsonl(rows, [{"text": text} for text in texts])
    write_folder(folder / "tokenizer", train_tokenizer(texts, VOCAB), chat_template=CHAT_TEMPLATE)
    tokenize([rows], folder / "shards", tokenizer=folder / "tokenizer", workers=1)


def make_spec(data: Path, /, **changes: Any) -> RunSpec:
    """A spec over :func:`make_data`: 24 steps of 8 x 64 tokens on the CPU, a checkpoint every 8."""
    spec = RunSpec(
        name="test",
        shape=SHAPE,
        tokenizer=str(data / "tokenizer"),
        batch=Batch(sequences=8, seq_len=64, micro=2),
        steps=24,
        schedule=Schedule(peak=3e-3, floor=1e-4, warmup_steps=4, stable_steps=12, decay_steps=8),
        data=Data(sources=[Source(folder=str(data / "shards"))], seed=1),
        compute=Compute(
            device="cpu",
            compute_dtype="float32",
            activation_checkpoint="none",
            compile=False,
            chunked_loss=False,
            deterministic=True,
        ),
        checkpoints=Checkpoints(every=8, keep_last=2, keep_every=8),
        seed=5,
    )
    return msgspec.structs.replace(spec, **changes)


def two_ranks() -> Parallel:
    return Parallel(shard=2)


def start(folder: Path, spec: RunSpec) -> subprocess.Popen[str]:
    """Start the training processes of a run folder: one by itself, several under torchrun."""
    folder.mkdir(parents=True, exist_ok=True)
    write_spec(folder, spec)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
    trainer = ["-m", "train.titan.main", str(folder)]
    torchrun = [
        *("-m", "torch.distributed.run"),
        *("--nproc-per-node", str(spec.parallel.ranks), "--rdzv-backend", "c10d"),
        *("--rdzv-endpoint", "localhost:0"),
    ]
    if spec.parallel.ranks == 1:
        # What torchrun would say; it takes seconds to import torch itself.
        environment |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
        environment |= {"MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    command = [sys.executable, "-P", *(torchrun if spec.parallel.ranks > 1 else []), *trainer]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def train(folder: Path, spec: RunSpec, *, code: int = 0) -> list[dict[str, Any]]:
    """Run to the end, expect an exit code, and return the lines of ``metrics.jsonl``."""
    process = start(folder, spec)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output[-4000:]
    return metrics(folder)


def metrics(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    return list(read_jsonl(path)) if path.exists() else []


def learned(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What must not differ between two runs that are the same."""
    return [(line["step"], line["loss"], line["grad_norm"], line["lr"]) for line in lines]


def told(folder: Path, rank: int = 0) -> dict[str, str]:
    """What a rank recorded about its failure."""
    said: dict[str, str] = json.loads((folder / "errors" / f"rank-{rank}.json").read_text())
    return said
