"""How ranks share a batch: layout, micro-batch, accumulation, and what would help where nothing fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from train.plan.gpus import GPUS, GPUS_PER_NODE, Gpu
from train.plan.memory import GIB, Memory, memory
from train.plan.speed import tokens_per_second
from train.shape import Shape
from train.spec import Batch, Compute, Parallel

MICRO_TOKENS = 32768
"""Tokens of a rank at a time above which a larger micro-batch brings no more speed."""
OUTSIDE_GIB = 2.5
"""Memory of a GPU that the trainer does not see: the CUDA context, NCCL's buffers, libraries' workspaces."""
ROOM = 0.92
"""Of the memory that the trainer may use, what a chosen micro-batch takes where a smaller one would do."""
MOST_GPUS = 4096
"""Where the search for a number of GPUs that would do ends."""
_SAME_SPEED = 0.99


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What has to be split.

    Attributes:
        shape: The model.
        sequences: Sequences of a step over all ranks.
        seq_len: Tokens of one.
        ranks: GPUs.
        gpu: What they are.
        compute: Formats and kernels.
        micro: A chosen micro-batch.
        shard: A chosen number of ranks that share the parameters.
        tensor: Ranks that share each matrix.
    """

    shape: Shape
    sequences: int
    seq_len: int
    ranks: int
    gpu: Gpu
    compute: Compute
    micro: int | None = None
    shard: int | None = None
    tensor: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """One way to share a batch.

    Attributes:
        parallel: Layout of the ranks.
        batch: With its micro-batch.
        memory: Of one GPU.
        tokens_s: Expected tokens per second of one GPU.
        fits: The GPU holds it.
    """

    parallel: Parallel
    batch: Batch
    memory: Memory
    tokens_s: float
    fits: bool

    @property
    def accumulation(self) -> int:
        """Micro-batches of a rank for one step."""
        return self.batch.sequences // (self.batch.micro * self.parallel.data_ranks)


def usable_gib(gpu: Gpu) -> float:
    """Return the memory that the trainer may use."""
    return gpu.memory_gib - OUTSIDE_GIB


def refusal(need: Need) -> str:
    """Say why the ranks cannot share the batch at all; empty where they can."""
    shape, tensor = need.shape, need.tensor
    if need.ranks < 1 or tensor < 1 or need.ranks % tensor:
        return f"{need.ranks} GPUs cannot be shared by groups of {tensor}"
    if shape.heads % tensor or shape.kv_heads % tensor:
        return (
            f"tensor={tensor} does not divide the model's {shape.heads} heads and {shape.kv_heads} KV heads"
        )
    data_ranks = need.ranks // tensor
    if need.sequences % data_ranks:
        return f"{need.sequences} sequences a step cannot be shared evenly by {data_ranks} data ranks"
    if need.shard is not None and (need.shard < 1 or data_ranks % need.shard):
        return f"shard={need.shard} does not divide {data_ranks} data ranks"
    each = need.sequences // data_ranks
    if need.micro is not None and (need.micro < 1 or each % need.micro):
        return f"micro={need.micro} does not divide the {each} sequences of a rank"
    return ""


def split(need: Need) -> Split | None:
    """Return the best way to share a batch: the fastest that fits, within 1 % that with the smallest shards.

    For each layout the largest micro-batch that fits counts, up to 32,768 tokens. Where nothing fits, the way
    that needs the least memory is returned, with ``fits`` false.

    Returns:
        ``None`` where the ranks cannot share the batch (see :func:`refusal`).
    """
    if refusal(need):
        return None
    found = [_largest(need, shard) for shard in _shards(need)]
    fitting = [way for way in found if way.fits]
    if not fitting:
        return min(found, key=lambda way: way.memory.total)
    best = max(way.tokens_s for way in fitting)
    return next(way for way in fitting if way.tokens_s >= _SAME_SPEED * best)


def _shards(need: Need) -> Iterator[int]:
    """Yield the sizes of a shard group: whole nodes where there are any, from the smallest."""
    data_ranks = need.ranks // need.tensor
    if need.shard is not None:
        yield need.shard
        return
    node = max(1, min(data_ranks, GPUS_PER_NODE // min(need.tensor, GPUS_PER_NODE)))
    found = [size for size in range(node, data_ranks + 1, node) if data_ranks % size == 0]
    yield from found or [data_ranks]


def _largest(need: Need, shard: int) -> Split:
    each = need.sequences * need.tensor // need.ranks
    if need.micro is not None:
        return _way(need, shard, need.micro)
    sizes = [
        size
        for size in range(each, 0, -1)
        if each % size == 0 and (size == 1 or size * need.seq_len <= MICRO_TOKENS)
    ]
    ways = [_way(need, shard, size) for size in sizes]
    easy = (way for way in ways if way.memory.total / GIB <= ROOM * usable_gib(need.gpu))
    tight = (way for way in ways if way.fits)
    return next(easy, None) or next(tight, None) or ways[-1]


def _way(need: Need, shard: int, micro: int) -> Split:
    parallel = Parallel(replicate=need.ranks // need.tensor // shard, shard=shard, tensor=need.tensor)
    batch = Batch(sequences=need.sequences, seq_len=need.seq_len, micro=micro)
    used = memory(need.shape, batch, parallel, need.compute)
    speed = tokens_per_second(need.shape, batch, parallel, need.compute, need.gpu)
    fits = used.total / GIB <= usable_gib(need.gpu)
    return Split(parallel=parallel, batch=batch, memory=used, tokens_s=speed, fits=fits)


def advice(needs: Sequence[Need]) -> list[str]:
    """Return the changes, one each, that would make all phases fit, with the memory that they then take."""
    first = needs[0]
    tries: list[tuple[str, Change]] = []
    if first.micro is not None:
        tries.append(("without --micro", lambda need: replace(need, micro=None)))
    if first.shard is not None:
        tries.append(("without --shard", lambda need: replace(need, shard=None)))
    tries += [
        ("--activation-checkpoint full", lambda need: _leaner(need, activation_checkpoint="full")),
        ("--param-dtype bfloat16", lambda need: _leaner(need, param_dtype="bfloat16")),
        (
            "--activation-checkpoint full --param-dtype bfloat16",
            lambda need: _leaner(need, activation_checkpoint="full", param_dtype="bfloat16"),
        ),
        *((f"--tensor {size}", _with_tensor(size)) for size in (2, 4, 8) if size > first.tensor),
        *((f"--gpu {name}", _with_gpu(gpu)) for name, gpu in GPUS.items() if gpu is not first.gpu),
    ]
    found = []
    for text, change in tries:
        most = _fits_all([change(need) for need in needs])
        if most is not None:
            found.append(f"{text}: {most / GIB:.1f} GiB")
    return found + _other_gpus(needs)


Change = Callable[[Need], Need]


def _leaner(need: Need, **changes: str) -> Need:
    return replace(need, compute=msgspec.structs.replace(need.compute, **changes))


def _with_tensor(size: int) -> Change:
    return lambda need: replace(need, tensor=size, shard=None, micro=None)


def _with_gpu(gpu: Gpu) -> Change:
    return lambda need: replace(need, gpu=gpu)


def _fits_all(needs: Sequence[Need]) -> float | None:
    """Return the bytes of the phase that takes most, if all fit."""
    ways = [split(need) for need in needs]
    if any(way is None or not way.fits for way in ways):
        return None
    return max(way.memory.total for way in ways if way is not None)


def _other_gpus(needs: Sequence[Need]) -> list[str]:
    """Return the next larger number of GPUs that fits, and the next smaller if the batch is the obstacle."""
    ranks = needs[0].ranks
    up, down = range(ranks + 1, MOST_GPUS + 1), range(ranks - 1, 0, -1)
    found = []
    for counts in (up, down) if any(refusal(need) for need in needs) else (up,):
        for count in counts:
            if count > GPUS_PER_NODE and count % GPUS_PER_NODE:
                continue
            most = _fits_all([replace(need, ranks=count, shard=None) for need in needs])
            if most is not None:
                found.append(f"--gpus {count}: {most / GIB:.1f} GiB")
                break
    return found
