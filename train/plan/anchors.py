"""Published runs, and what the models of memory and speed say of them."""

from __future__ import annotations

from dataclasses import dataclass

from train.plan.gpus import GPUS, Gpu
from train.plan.memory import GIB, LogitKind, memory
from train.plan.speed import tokens_per_second
from train.recipes.facts import Facts
from train.recipes.opencoder_1_5b import FACTS as FACTS_1_5B
from train.recipes.opencoder_8b import FACTS as FACTS_8B
from train.shape import Shape
from train.spec import Batch, Compute, Parallel

LLAMA_8B = Shape(
    layers=32,
    hidden=4096,
    ffn=14336,
    heads=32,
    kv_heads=8,
    head_dim=128,
    vocab=128256,
    max_positions=8192,
    rope_theta=500000.0,
)
TORCHTITAN = "torchtitan benchmarks/llama3_h100_202412_torchtitan.md"
TRAINY = "torchtitan benchmarks/llama3-8b_h200_202506_trainy-whitefiber.md"
PEAK_TFLOPS = 989.0


_H100 = GPUS["h100"]
_COMPILED = Compute(chunked_loss=False)
_PLAIN = Compute(compile=False, chunked_loss=False)
_FULL = Compute(activation_checkpoint="full", chunked_loss=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """One published run of Llama 3.1 8B with FSDP.

    Attributes:
        source: Where it is published.
        ranks: GPUs.
        gpu: What they were.
        seq_len: Tokens of a sequence.
        micro: Sequences of a GPU at a time.
        compute: Formats and kernels.
        logits: How the loss was computed: blocks alone were compiled in 2024.
        float8: Matrix products in float8.
        tokens_s: Tokens per second of one GPU.
        memory_gib: Of one GPU.
    """

    source: str
    ranks: int
    gpu: Gpu = _H100
    seq_len: int = 8192
    micro: int = 2
    compute: Compute = _COMPILED
    logits: LogitKind = "whole"
    float8: bool = False
    tokens_s: float
    memory_gib: float

    @property
    def batch(self) -> Batch:
        """Of one step, without accumulation."""
        return Batch(sequences=self.micro * self.ranks, seq_len=self.seq_len, micro=self.micro)

    @property
    def expected(self) -> tuple[float, float]:
        """Tokens per second and GiB of one GPU by our models."""
        parallel = Parallel(shard=self.ranks)
        speed = tokens_per_second(LLAMA_8B, self.batch, parallel, self.compute, self.gpu, float8=self.float8)
        used = memory(LLAMA_8B, self.batch, parallel, self.compute, logits=self.logits)
        return speed, used.total / GIB

    @property
    def title(self) -> str:
        """What it was, in few words."""
        kind = "compiled" if self.compute.compile else "plain"
        kind += ", float8" if self.float8 else ""
        kind += f", {self.compute.activation_checkpoint} checkpoints"
        return f"{self.ranks} {self.gpu.name.upper()}, {self.micro} x {self.seq_len:,}, {kind}"


ANCHORS = (
    Anchor(source=TORCHTITAN, ranks=8, compute=_PLAIN, tokens_s=5762, memory_gib=82.4),
    Anchor(source=TORCHTITAN, ranks=8, tokens_s=6667, memory_gib=77.0),
    Anchor(source=TORCHTITAN, ranks=8, float8=True, tokens_s=8532, memory_gib=76.8),
    Anchor(
        source=TORCHTITAN,
        ranks=8,
        seq_len=32768,
        micro=1,
        compute=_FULL,
        float8=True,
        tokens_s=3890,
        memory_gib=83.9,
    ),
    Anchor(source=TORCHTITAN, ranks=128, compute=_PLAIN, tokens_s=5605, memory_gib=67.0),
    Anchor(source=TORCHTITAN, ranks=128, tokens_s=6514, memory_gib=62.0),
    Anchor(source=TORCHTITAN, ranks=128, float8=True, tokens_s=8380, memory_gib=61.8),
    Anchor(
        source=TRAINY,
        ranks=32,
        gpu=GPUS["h200"],
        logits="fused",
        float8=True,
        tokens_s=10938,
        memory_gib=47.96,
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperRun:
    """What the paper's GPU-hours say of one model: whole runs, with all that interrupts them.

    Attributes:
        facts: The model's figures.
    """

    facts: Facts

    @property
    def parts(self) -> list[tuple[int, int]]:
        """Steps and tokens of a sequence, of each phase and of annealing."""
        facts = self.facts
        last = facts.trained_steps.value + facts.anneal_steps.value
        if facts.early is None:
            return [(last, facts.seq_len.value)]
        early = facts.early[2].value
        return [(early, facts.early[1].value), (last - early, facts.seq_len.value)]

    @property
    def tokens_s(self) -> float:
        """Tokens per second of one GPU."""
        tokens = sum(steps for steps, _ in self.parts) * self.facts.tokens_per_step.value
        return tokens / (self.facts.gpu_hours.value * 3600)

    def mfu(self, *, causal: bool = False) -> float:
        """Return the share of the peak, over all phases."""
        steps = sum(num for num, _ in self.parts)
        shape = self.facts.shape
        flops = sum(num * shape.flops_per_token(seq_len, causal=causal) for num, seq_len in self.parts)
        return self.tokens_s * flops / steps / (PEAK_TFLOPS * 1e12)


PAPER_RUNS = {facts.name: PaperRun(facts=facts) for facts in (FACTS_1_5B, FACTS_8B)}
