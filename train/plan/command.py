"""``opencoder train plan``: memory, speed, time and cost of a recipe before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import UserError
from opencoder.log import emit
from train.overrides import Overrides
from train.plan.gpus import find_gpu
from train.plan.plan import PhasePlan, Plan, make_plan
from train.recipe import Preset
from train.recipes.registry import find_recipe


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class PlanOptions:
    """Options of a plan."""

    gpus: int
    """How many GPUs, in nodes of eight."""
    gpu: Literal["h100", "h200", "h800"] = "h100"
    """Which GPU."""
    preset: Preset = "practical"
    """Whose figures: the paper's, those of the released checkpoint, or what we would do."""
    price_per_gpu_hour: float | None = None
    """Price of one GPU for one hour, for the cost."""
    steps: int | None = None
    """Length of the run (each phase), in place of the recipe's."""
    sequences: int | None = None
    """Sequences of a step, in place of the recipe's."""
    seq_len: int | None = None
    """Tokens of a sequence, in place of the recipe's."""
    micro: int | None = None
    """Sequences that a GPU computes at a time; chosen by default."""
    shard: int | None = None
    """GPUs that share one copy of the parameters; chosen by default."""
    tensor: int = 1
    """GPUs that share each matrix."""
    activation_checkpoint: Literal["none", "selective", "full"] | None = None
    """What is computed again in the backward pass, in place of the recipe's."""
    param_dtype: Literal["float32", "bfloat16"] | None = None
    """Format of parameters, gradients and optimiser states, in place of the recipe's."""


def plan(
    recipe: Annotated[str, Parameter(name="RECIPE", help="As `opencoder train recipes` lists it.")],
    *,
    options: PlanOptions,
    common: Common | None = None,
) -> None:
    """Show what a recipe needs and how long it takes; says when it does not fit, and what would.

    A plan that does not fit is an answer too: the exit code is 0 and ``fits`` is false.
    """
    if options.gpus < 1:
        raise UserError(f"--gpus {options.gpus}: at least 1")
    found = make_plan(
        find_recipe(recipe, options.preset),
        gpus=options.gpus,
        gpu=find_gpu(options.gpu),
        price_per_gpu_hour=options.price_per_gpu_hour,
        overrides=Overrides(
            steps=options.steps,
            sequences=options.sequences,
            seq_len=options.seq_len,
            micro=options.micro,
            shard=options.shard,
            tensor=options.tensor,
            activation_checkpoint=options.activation_checkpoint,
            param_dtype=options.param_dtype,
        ),
    )
    emit(found, json=bool(common and common.json), text=lambda: "\n".join(plan_lines(found)))


def plan_lines(found: Plan) -> list[str]:
    """Return a plan as people read it."""
    lines = [
        f"{found.recipe}/{found.preset} on {found.gpus} x {found.gpu.upper()}: "
        f"{found.params:,} parameters ({found.params_without_embeddings:,} without embeddings)"
    ]
    for index, phase in enumerate(found.phases, 1):
        name = f"phase {index}: " if len(found.phases) > 1 else ""
        lines += [
            f"{name}{line}" if number == 0 else f"  {line}" for number, line in enumerate(_phase(phase))
        ]
    if not found.fits:
        lines.append(f"does not fit: {found.why_not}")
        lines += [f"  would do: {text}" for text in found.advice or ["nothing that a plan knows"]]
    if found.mfu is not None:
        lines += _whole(found)
    return lines + [f"note: {text}" for text in found.notes]


def _phase(phase: PhasePlan) -> list[str]:
    layout = phase.parallel
    parts = ", ".join(
        f"{name} {gib:.1f}"
        for name, gib in phase.memory_per_gpu_gib.items()
        if name != "total" and gib >= 0.05
    )
    return [
        f"{phase.steps:,} steps of {phase.tokens_per_step:,} tokens "
        f"({phase.sequences:,} x {phase.seq_len:,})",
        f"batch: micro {phase.micro}, accumulation {phase.accumulation}, "
        f"replicate {layout.replicate} x shard {layout.shard} x tensor {layout.tensor}",
        f"memory: {phase.memory_per_gpu_gib['total']:.1f} GiB on each GPU ({parts})",
        f"speed: {phase.tokens_per_s_per_gpu:,.0f} tokens/s on each GPU, {phase.tokens_per_s:,.0f} in all, "
        f"MFU {phase.mfu.full_attention:.1%} (full attention), {phase.mfu.causal:.1%} (causal)",
    ]


def _count(hours: float | None) -> str:
    return "?" if hours is None else f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def _whole(found: Plan) -> list[str]:
    cost = "" if found.cost is None else f", cost {found.cost:,.0f}"
    lines = [
        f"in all: {found.tokens:,} tokens, {found.steps:,} steps, {_count(found.hours)} hours, "
        f"{_count(found.gpu_hours)} GPU-hours{cost}"
    ]
    if found.paper:
        paper = found.paper
        lines.append(
            f"at the paper's pace: {paper['tokens_per_s_per_gpu']:,.0f} tokens/s on each GPU "
            f"(MFU {paper['mfu_full_attention']:.1%}), {_count(paper['hours'])} hours, "
            f"{_count(paper['gpu_hours'])} GPU-hours"
        )
    return lines
