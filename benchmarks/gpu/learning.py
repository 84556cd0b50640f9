"""A small model learns Python's own library: files to shards, our loader, a loss that falls."""

from __future__ import annotations

import hashlib
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.shapes import TINY, device, machine
from train.loader import Batches
from train.model.llama import Llama
from train.model.loss import chunked_cross_entropy
from train.schedule import learning_rate
from train.shape import Shape
from train.spec import Batch, Data, Schedule, Source
from train.stream.open import open_stream
from train.tokens.format import Manifest, TokenizerId
from train.tokens.write import ShardWriter, write_manifest

_END = 256
_SHAPE = Shape(
    layers=8, hidden=512, ffn=1408, heads=8, kv_heads=4, head_dim=64, vocab=512, max_positions=512,
    rope_theta=10000.0,
)  # fmt: skip
NATS = 3.5
"""The loss starts near ln 512 = 6.2; this much below is under the entropy of single bytes of code."""
QUICK_NATS = 1.0


def learn(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Train and yield one row; ``ok`` says whether the loss fell far enough."""
    where = device()
    shape, steps = (TINY, 40) if quick else (_SHAPE, 300)
    batch = Batch(sequences=8, seq_len=64, micro=8) if quick else Batch(sequences=64, seq_len=512, micro=64)
    warmup, stable = steps // 10, steps // 2
    schedule = Schedule(
        peak=3e-3 if quick else 1e-3,
        floor=1e-4,
        warmup_steps=warmup,
        stable_steps=stable,
        decay_steps=steps - warmup - stable,
    )
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        num_bytes = write_library(Path(folder), limit=1 << 20 if quick else 16 << 20)
        data = Data(sources=[Source(folder=folder)])
        batches = Batches(open_stream(data, seq_len=batch.seq_len, vocab=shape.vocab), batch)
        losses = _train(shape, batches, schedule, steps, where)
    first, last = losses[0], statistics.fmean(losses[-steps // 10 :])
    yield {
        **machine(),
        "params": shape.params,
        "bytes": num_bytes,
        "steps": steps,
        "tokens": steps * batch.tokens,
        "first_loss": first,
        "last_loss": last,
        "losses": [round(value, 4) for value in losses[:: max(1, steps // 30)]],
        "wall_s": time.perf_counter() - begin,
        "ok": last < first - (QUICK_NATS if quick else NATS),
    }


def _train(
    shape: Shape, batches: Batches, schedule: Schedule, steps: int, where: torch.device
) -> list[float]:
    with torch.device(where):
        model = Llama(shape)
    model.initialise(torch.Generator(where).manual_seed(0))
    on_gpu = where.type == "cuda"
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.1, fused=on_gpu)
    losses = []
    for step, (inputs, labels) in zip(range(1, steps + 1), batches, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, step)
        with torch.autocast(where.type, dtype=torch.bfloat16, enabled=on_gpu):
            hidden = model(inputs["input"].to(where), inputs["positions"].to(where))
        loss, count = chunked_cross_entropy(hidden, model.head_weight, labels.to(where), chunk=8192)
        optimizer.zero_grad()
        (loss / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append((loss / count).item())
    return losses


def write_library(folder: Path, limit: int) -> int:
    """Write the files of the standard library as a shard whose tokens are bytes, and return their number."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    with ShardWriter(folder, "library", dtype="uint16", source="library") as writer:
        for path in paths:
            if "site-packages" not in path.parts and writer.tokens < limit:
                content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
                writer.add(np.append(content.astype(np.uint16), _END))
    made = TokenizerId(sha256=hashlib.sha256(b"bytes").hexdigest(), vocab=_END + 1, eos=_END)
    manifest = Manifest(kind="documents", dtype="uint16", tokenizer=made, shards=[writer.shard])
    write_manifest(folder, manifest)
    return writer.tokens
