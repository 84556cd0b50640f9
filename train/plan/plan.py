"""A plan: what a recipe needs on a number of GPUs, and how long it takes."""

from __future__ import annotations

import msgspec

from train.overrides import Overrides
from train.plan.anchors import PAPER_RUNS
from train.plan.gpus import Gpu
from train.plan.memory import GIB
from train.plan.split import Need, Split, advice, refusal, split, usable_gib
from train.recipe import Recipe
from train.shape import Shape
from train.spec import Batch, Parallel
from train.steps import steps_of

_LAUNCH_BOUND_S = 0.02


class Mfu(msgspec.Struct, frozen=True, kw_only=True):
    """Model FLOPs against the peak, without what is computed again.

    Attributes:
        full_attention: Attention counted over the full square, as is usual and as torchtitan does.
        causal: Attention counted over the lower triangle.
    """

    full_attention: float
    causal: float


class PhasePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One phase of a run: one form of batch.

    Attributes:
        sequences: Sequences of a step.
        seq_len: Tokens of one.
        micro: Sequences of a rank at a time.
        accumulation: Micro-batches of a rank for one step.
        parallel: Layout of the ranks.
        steps: Of this phase.
        tokens_per_step: Of all ranks.
        memory_per_gpu_gib: Parts and ``total``.
        fits: The GPU holds it.
        tokens_per_s_per_gpu: Expected.
        tokens_per_s: Expected, of all GPUs.
        mfu: What that is of the peak.
        hours: Of this phase.
    """

    sequences: int
    seq_len: int
    micro: int
    accumulation: int
    parallel: Parallel
    steps: int
    tokens_per_step: int
    memory_per_gpu_gib: dict[str, float]
    fits: bool
    tokens_per_s_per_gpu: float
    tokens_per_s: float
    mfu: Mfu
    hours: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe needs.

    Attributes:
        recipe: Its name.
        preset: Whose figures.
        gpus: How many.
        gpu: Which.
        params: All parameters.
        params_without_embeddings: Those of the blocks and the last norm.
        fits: All phases do.
        why_not: Why not.
        advice: What would help.
        memory_per_gpu_gib: Of the phase that needs most.
        memory_available_gib: What the trainer may use.
        tokens_per_step: Of all ranks.
        steps: Of all phases.
        tokens: Of all phases.
        tokens_per_s_per_gpu: Expected, over the whole run.
        tokens_per_s: Expected, of all GPUs.
        mfu: Over the whole run.
        hours: Wall time without interruptions.
        gpu_hours: Of all GPUs.
        price_per_gpu_hour: As given.
        cost: In the currency of the price.
        paper: Tokens per second of one GPU, MFU and hours if it went as the paper's GPU-hours say.
        phases: In order.
        notes: What limits the plan.
    """

    recipe: str
    preset: str
    gpus: int
    gpu: str
    params: int
    params_without_embeddings: int
    fits: bool
    why_not: str = ""
    advice: list[str] = []
    memory_per_gpu_gib: dict[str, float] = {}
    memory_available_gib: float
    tokens_per_step: int
    steps: int
    tokens: int
    tokens_per_s_per_gpu: float | None = None
    tokens_per_s: float | None = None
    mfu: Mfu | None = None
    hours: float | None = None
    gpu_hours: float | None = None
    price_per_gpu_hour: float | None = None
    cost: float | None = None
    paper: dict[str, float] | None = None
    phases: list[PhasePlan] = []
    notes: list[str] = []


def make_plan(
    recipe: Recipe,
    *,
    gpus: int,
    gpu: Gpu,
    overrides: Overrides | None = None,
    price_per_gpu_hour: float | None = None,
) -> Plan:
    """Return the plan of a recipe.

    Args:
        recipe: What is trained.
        gpus: How many GPUs, in nodes of eight above eight.
        gpu: What they are.
        overrides: Values in place of the recipe's.
        price_per_gpu_hour: For the cost.
    """
    changed = overrides or Overrides()
    shape = changed.shape(recipe)
    indices = range(len(recipe.batches))
    needs = [need_of(recipe, phase, gpus, gpu, changed) for phase in indices]
    ways = [(need, split(need)) for need in needs]
    numbers = [_steps(recipe, phase, changed) for phase in indices]
    batches = [changed.batch(recipe, phase) for phase in indices]
    phases = [
        _phase(shape, way, steps, gpu, gpus)
        for (_, way), steps in zip(ways, numbers, strict=True)
        if way is not None
    ]
    found = Plan(
        recipe=recipe.name,
        preset=recipe.preset,
        gpus=gpus,
        gpu=gpu.name,
        params=shape.params,
        params_without_embeddings=shape.params - (1 if shape.tied else 2) * shape.embedding_params,
        fits=all(way is not None and way.fits for _, way in ways),
        memory_per_gpu_gib=max(
            (phase.memory_per_gpu_gib for phase in phases), key=lambda parts: parts["total"], default={}
        ),
        memory_available_gib=round(usable_gib(gpu), 1),
        tokens_per_step=batches[-1].tokens,
        steps=sum(numbers),
        tokens=sum(steps * batch.tokens for steps, batch in zip(numbers, batches, strict=True)),
        phases=phases,
    )
    if not found.fits:
        bad = next((need, way) for need, way in ways if way is None or not way.fits)
        return msgspec.structs.replace(found, why_not=_why_not(*bad), advice=advice(needs))
    return _with_time(found, recipe, shape, gpu, price_per_gpu_hour, _notes(recipe, ways, gpu))


def _with_time(
    found: Plan, recipe: Recipe, shape: Shape, gpu: Gpu, price: float | None, notes: list[str]
) -> Plan:
    """Return a plan that fits with what all its phases take together."""
    hours = sum(phase.hours for phase in found.phases)
    spent = hours * 3600 * found.gpus * gpu.peak_tflops * 1e12
    full, causal = (
        sum(
            phase.steps * phase.tokens_per_step * shape.flops_per_token(phase.seq_len, causal=half)
            for phase in found.phases
        )
        for half in (False, True)
    )
    return msgspec.structs.replace(
        found,
        tokens_per_s_per_gpu=round(found.tokens / (hours * 3600 * found.gpus), 1),
        tokens_per_s=round(found.tokens / (hours * 3600), 1),
        mfu=Mfu(full_attention=round(full / spent, 4), causal=round(causal / spent, 4)),
        hours=_hours(hours),
        gpu_hours=_hours(hours * found.gpus),
        price_per_gpu_hour=price,
        cost=None if price is None else round(hours * found.gpus * price, 2),
        paper=_as_paper(recipe, found.tokens, found.gpus),
        notes=notes,
    )


def need_of(recipe: Recipe, phase: int, gpus: int, gpu: Gpu, overrides: Overrides) -> Need:
    """Return what has to be split in one phase of a recipe."""
    batch = overrides.batch(recipe, phase)
    return Need(
        shape=overrides.shape(recipe),
        sequences=batch.sequences,
        seq_len=batch.seq_len,
        ranks=gpus,
        gpu=gpu,
        compute=overrides.compute(recipe, on_gpu=True),
        micro=overrides.micro,
        shard=overrides.shard,
        tensor=1 if overrides.tensor is None else overrides.tensor,
    )


def _steps(recipe: Recipe, phase: int, overrides: Overrides) -> int:
    batch = overrides.batch(recipe, phase)
    return steps_of(recipe, phase=phase, batch=batch, steps=overrides.steps)[0]


def _phase(shape: Shape, way: Split, steps: int, gpu: Gpu, gpus: int) -> PhasePlan:
    batch: Batch = way.batch
    share = [
        way.tokens_s * shape.flops_per_token(batch.seq_len, causal=causal) / (gpu.peak_tflops * 1e12)
        for causal in (False, True)
    ]
    return PhasePlan(
        sequences=batch.sequences,
        seq_len=batch.seq_len,
        micro=batch.micro,
        accumulation=way.accumulation,
        parallel=way.parallel,
        steps=steps,
        tokens_per_step=batch.tokens,
        memory_per_gpu_gib=way.memory.gib(),
        fits=way.fits,
        tokens_per_s_per_gpu=round(way.tokens_s, 1),
        tokens_per_s=round(way.tokens_s * gpus, 1),
        mfu=Mfu(full_attention=round(share[0], 4), causal=round(share[1], 4)),
        hours=steps * batch.tokens / (way.tokens_s * gpus * 3600),
    )


def _hours(hours: float) -> float:
    return float(f"{hours:.4g}")


def _why_not(need: Need, way: Split | None) -> str:
    if way is None:
        return refusal(need)
    total = way.memory.total / GIB
    return f"needs {total:.1f} GiB of {usable_gib(need.gpu):.1f} GiB on each {need.gpu.title}"


def _as_paper(recipe: Recipe, tokens: int, gpus: int) -> dict[str, float] | None:
    run = PAPER_RUNS.get(recipe.name.removesuffix("-anneal"))
    if run is None:
        return None
    hours = tokens / (run.tokens_s * 3600)
    return {
        "tokens_per_s_per_gpu": round(run.tokens_s, 1),
        "mfu_full_attention": round(run.mfu(), 4),
        "mfu_causal": round(run.mfu(causal=True), 4),
        "hours": _hours(hours / gpus),
        "gpu_hours": _hours(hours),
    }


def _notes(recipe: Recipe, ways: list[tuple[Need, Split | None]], gpu: Gpu) -> list[str]:
    notes = []
    for need, way in ways:
        if way is not None and need.seq_len * way.batch.micro / way.tokens_s < _LAUNCH_BOUND_S:
            notes.append("so small a micro-batch is limited by kernel launches: expect far fewer tokens/s")
            break
    if recipe.stage == "sft":
        notes.append(f"steps are for the {recipe.data.dialogues:,} published dialogues; a run counts its own")
    if gpu.speed == 1.0:
        notes.append("rates were reached on GPUs of 500 W; at 700 W expect up to a quarter more")
    return notes
