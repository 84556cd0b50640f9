"""Tokens per second and peak memory of whole optimiser steps, one setting after the other."""

from __future__ import annotations

import contextlib
import functools
import gc
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch._functorch.config
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from benchmarks.gpu.shapes import OPENCODER_1_5B, PEAK_FLOPS, TINY, device, machine
from train.model.llama import Llama
from train.model.loss import chunked_cross_entropy
from train.plan.memory import memory
from train.shape import Shape
from train.spec import Batch, Compute, Parallel

KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
Checkpointing = Literal["none", "selective", "full"]
RECIPE_ACCUMULATION = 256
"""Micro-batches of 4 sequences in one step of the recipe (1024 sequences) on one GPU."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to train.

    Attributes:
        weights: ``autocast``: float32 parameters, cast for each product. ``master``: bfloat16 parameters with
            a float32 copy that the optimiser works on; gradients are summed in float32.
        micro: Sequences at a time.
        checkpoint: What the backward pass computes again: ``none``, ``selective`` (every second product, and
            what is cheap), ``full``, or ``budget:SHARE`` (the compiler keeps to that share of the memory).
        kernel: Of attention.
        compile: Compile the blocks and the loss.
        accumulate: Micro-batches of one step.
    """

    weights: str = "master"
    micro: int = 4
    checkpoint: str = "none"
    kernel: str = "flash"
    compile: bool = True
    accumulate: int = 2


def settings(kernels: list[str], *, quick: bool) -> list[dict[str, Any]]:
    """Return what is tried, the likeliest best first.

    Args:
        kernels: Of attention, the fastest first.
        quick: Two settings, nothing compiled.
    """
    best, second = (kernels * 2)[:2]
    if quick:
        return [
            asdict(Setting(micro=2, kernel=best, compile=False)),
            asdict(Setting(weights="autocast", micro=2, checkpoint="selective", kernel=best, compile=False)),
        ]
    tried = [
        Setting(kernel=best),
        Setting(kernel=best, weights="autocast"),
        Setting(kernel=best, micro=8, checkpoint="selective"),
        Setting(kernel=best, micro=8, weights="autocast", checkpoint="selective"),
        Setting(kernel=best, micro=6, checkpoint="budget:0.7"),
        Setting(kernel=best, micro=5),
        Setting(kernel=second),
        Setting(kernel=best, checkpoint="selective"),
        Setting(kernel=best, micro=8, checkpoint="full"),
    ]
    return [asdict(setting) for setting in tried]


def best_kernels(rows: list[dict[str, Any]]) -> list[str]:
    """Return the kernels that worked, the fastest first."""
    timed = {row["kernel"]: row["ms"] for row in rows if row.get("ms")}
    return sorted(timed, key=lambda kernel: float(timed[kernel])) or ["flash", "efficient"]


def time_attention(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Time each kernel of causal attention, forward and backward, on the heads of the 1.5B."""
    where = device()
    shape, rows, length = (TINY, 1, 64) if quick else (OPENCODER_1_5B, 4, 4096)
    kind = torch.bfloat16 if where.type == "cuda" else torch.float32
    # Two products over half the square, and two and a half times that backward.
    flops = 2 * 3.5 * rows * shape.heads * length**2 * shape.head_dim
    for name, backend in KERNELS.items():
        if name == "math" and not quick:
            continue  # its scores alone would take 3.5 GiB
        row: dict[str, Any] = {"kernel": name, "head_dim": shape.head_dim, **machine()}
        try:
            ms = _attention_ms(backend, (rows, shape.heads, length, shape.head_dim), where, kind)
            yield {**row, "ms": ms, "tflops": flops / ms / 1e9}
        except RuntimeError as error:
            yield {**row, "ms": None, "status": str(error).splitlines()[0][:200]}


def _attention_ms(
    backend: SDPBackend, size: tuple[int, ...], where: torch.device, kind: torch.dtype
) -> float:
    # As the model makes them: heads lie beside one another in memory.
    q, k, v = (
        torch.randn(size[0], size[2], size[1], size[3], device=where, dtype=kind)
        .transpose(1, 2)
        .requires_grad_()
        for _ in range(3)
    )
    times = []
    with sdpa_kernel(backend):
        for _ in range(8):
            _wait(where)
            begin = time.perf_counter()
            functional.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()
            _wait(where)
            times.append(time.perf_counter() - begin)
    return statistics.median(times[3:]) * 1e3


def time_settings(todo: Iterable[dict[str, Any]], *, quick: bool) -> Iterator[dict[str, Any]]:
    """Time whole steps of the 1.5B for each setting; one that does not fit says so."""
    torch.set_float32_matmul_precision("high")
    shape, length = (TINY, 64) if quick else (OPENCODER_1_5B, 4096)
    for row in todo:
        setting = Setting(**row)
        try:
            found = _time(shape, setting, length)
        except torch.OutOfMemoryError:
            found = {"status": "out of memory"}
        except Exception as error:  # noqa: BLE001 - the other settings go on
            found = {"status": f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"}
        _clean()
        yield {**machine(), **found, "plan_gib": planned_gib(shape, setting, length)}


def _time(shape: Shape, setting: Setting, length: int) -> dict[str, Any]:
    where = device()
    begin = time.perf_counter()
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    trainer = Trainer(shape, setting, length, where)
    with sdpa_kernel(KERNELS[setting.kernel]):
        first_loss = trainer.step()
        ready = time.perf_counter() - begin
        trainer.step()
        trainer.parts = []
        walls = []
        last_loss = first_loss
        for _ in range(5):
            start = time.perf_counter()
            last_loss = trainer.step()
            walls.append(time.perf_counter() - start)
    tokens = setting.micro * setting.accumulate * length
    micro_s, optimizer_s = (statistics.median(part) for part in zip(*trainer.parts, strict=True))
    tokens_per_s = tokens / statistics.median(walls)
    whole = RECIPE_ACCUMULATION * setting.micro * length / (RECIPE_ACCUMULATION * micro_s + optimizer_s)
    flops = shape.flops_per_token(length)
    on_gpu = where.type == "cuda"
    return {
        "status": "ok",
        "tokens_per_s": tokens_per_s,
        "mfu": tokens_per_s * flops / PEAK_FLOPS if on_gpu else None,
        "micro_s": micro_s,
        "optimizer_s": optimizer_s,
        "recipe_tokens_per_s": whole,
        "recipe_mfu": whole * flops / PEAK_FLOPS if on_gpu else None,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None,
        "reserved_gib": torch.cuda.max_memory_reserved() / 2**30 if on_gpu else None,
        "ready_s": ready,
        "first_loss": first_loss,
        "last_loss": last_loss,
    }


class Trainer:
    """Model, optimiser and one batch that is seen again and again.

    Attributes:
        parts: Seconds of one micro-batch and of the optimiser, for each step.
    """

    def __init__(self, shape: Shape, setting: Setting, length: int, where: torch.device) -> None:
        self.setting, self.where = setting, where
        self.parts: list[tuple[float, float]] = []
        with torch.device(where):
            self.model = Llama(shape)
        self.model.initialise(torch.Generator(where).manual_seed(0))
        self.weights: list[nn.Parameter] = list(self.model.parameters())
        self.masters = self.weights
        if setting.weights == "master":
            self.masters = [nn.Parameter(weight.detach().clone()) for weight in self.weights]
            self.model.to(torch.bfloat16)
            for weight, master in zip(self.weights, self.masters, strict=True):
                weight.register_post_accumulate_grad_hook(functools.partial(_sum_gradient, master))
        _prepare_blocks(self.model, setting)
        self.optimizer = torch.optim.AdamW(
            self.masters, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=where.type == "cuda"
        )
        generator = torch.Generator(where).manual_seed(1)
        self.tokens = torch.randint(
            shape.vocab, (setting.micro, length + 1), generator=generator, device=where
        )

    def step(self) -> float:
        """Do one optimiser step and return its loss."""
        begin = time.perf_counter()
        loss = self._micro()
        for _ in range(self.setting.accumulate - 1):
            loss = self._micro()
        _wait(self.where)
        middle = time.perf_counter()
        nn.utils.clip_grad_norm_(self.masters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.masters is not self.weights:
            with torch.no_grad():
                torch._foreach_copy_(self.weights, self.masters)  # pyright: ignore
        _wait(self.where)
        self.parts.append(((middle - begin) / self.setting.accumulate, time.perf_counter() - middle))
        return loss.item()

    def _micro(self) -> Tensor:
        inputs, labels = self.tokens[:, :-1], self.tokens[:, 1:]
        cast = self.setting.weights == "autocast"
        with torch.autocast(self.where.type, dtype=torch.bfloat16, enabled=cast):
            hidden = self.model(inputs)
        total, count = chunked_cross_entropy(
            hidden, self.model.head_weight, labels, chunk=4096, compiled=self.setting.compile
        )
        loss = total / count
        (loss / self.setting.accumulate).backward()
        return loss.detach()


def _sum_gradient(master: nn.Parameter, weight: Tensor) -> None:
    """Add a weight's gradient to the float32 one of its master, and let go of it."""
    if weight.grad is None:
        return
    if master.grad is None:
        master.grad = weight.grad.float()
    else:
        master.grad.add_(weight.grad)
    weight.grad = None


def _prepare_blocks(model: Llama, setting: Setting) -> None:
    kind, _, share = setting.checkpoint.partition(":")
    torch._functorch.config.activation_memory_budget = float(share) if kind == "budget" else 1.0
    layers = model.model.layers
    for index, block in enumerate(layers):
        if kind in {"selective", "full"}:
            layers[index] = Checkpointed(block, selective=kind == "selective")
        if setting.compile:
            layers[index].compile(dynamic=False)


class Checkpointed(nn.Module):
    """A block whose inner results are computed again in the backward pass, all or most of them."""

    def __init__(self, block: nn.Module, *, selective: bool) -> None:
        super().__init__()
        self.block = block
        self.options: dict[str, Any] = {"context_fn": _contexts} if selective else {}

    def forward(self, *inputs: Any) -> Tensor:
        """Do what the block does."""
        out: Tensor = checkpoint(self.block, *inputs, use_reentrant=False, **self.options)
        return out


def _contexts() -> Any:
    """Keep attention and every second matrix product (torchtitan's rule)."""
    aten = torch.ops.aten
    kept = {
        aten.mm.default,
        aten._scaled_dot_product_flash_attention.default,
        aten._scaled_dot_product_efficient_attention.default,
        aten._scaled_dot_product_cudnn_attention.default,
    }
    products: Counter[bool] = Counter()

    def policy(context: Any, operator: Any, *_: Any, **__: Any) -> CheckpointPolicy:
        if operator == aten.mm.default:
            products[context.is_recompute] += 1
            if products[context.is_recompute] % 2 == 0:
                return CheckpointPolicy.PREFER_RECOMPUTE
        return CheckpointPolicy.MUST_SAVE if operator in kept else CheckpointPolicy.PREFER_RECOMPUTE

    return create_selective_checkpoint_contexts(policy)


def planned_gib(shape: Shape, setting: Setting, length: int) -> float | None:
    """Return the peak memory that ``train.plan`` foresees, None for what it does not know.

    It plans for float32 parameters that are cast block by block; a whole bfloat16 copy comes on top.
    """
    known: tuple[Checkpointing, ...] = ("none", "selective", "full")
    kept: Checkpointing | None = next((kind for kind in known if kind == setting.checkpoint), None)
    if kept is None:
        return None
    batch = Batch(sequences=setting.micro, seq_len=length, micro=setting.micro)
    compute = Compute(activation_checkpoint=kept, compile=setting.compile)
    copy = 2 * shape.params if setting.weights == "master" else 0
    return (memory(shape, batch, Parallel(), compute).total + copy) / 2**30


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize()


def _clean() -> None:
    gc.collect()
    with contextlib.suppress(Exception):
        torch._dynamo.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
