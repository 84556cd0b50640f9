"""The model card: what the run's own files say, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opencoder.store import read_jsonl
from train.export.check import Agreement
from train.schedule import learning_rate
from train.spec import METRICS, RunSpec

_SHOWN = ("loss", "grad_norm", "tokens_per_s", "mfu")


def card(
    spec: RunSpec,
    step: int,
    *,
    dtype: str,
    license_id: str,
    figures: Mapping[str, Any],
    agreement: Agreement | None,
) -> str:
    """Write ``README.md`` of an exported folder.

    Args:
        spec: The run.
        step: Of the checkpoint.
        dtype: Format of the weights.
        license_id: As the hub names it.
        figures: The last line of the run's metrics up to the step.
        agreement: What the check of the logits said; None if there was none.
    """
    lines = [
        "---",
        f"license: {license_id}",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "language:",
        "- code",
        "tags:",
        "- llama",
        "- code",
        "- opencoder",
        "---",
        "",
        f"# {spec.name}, step {step:,}",
        "",
        f"A Llama decoder of {spec.shape.params:,} parameters, trained with `opencoder train run` and "
        f"written by `opencoder train export` in {dtype}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in _rows(spec, step)),
        "",
        "## Data",
        "",
        *_data(spec),
    ]
    shown = [
        f"| {name} | {figures[name]:.6g} |" for name in _SHOWN if isinstance(figures.get(name), int | float)
    ]
    if shown:
        at = figures.get("step", step)
        lines += ["", f"## Figures of the run, step {at:,}", "", "| | |", "|---|---|", *shown]
    lines += ["", "## Check", "", _checked(agreement, dtype), ""]
    return "\n".join(lines)


def last_figures(run: Path, step: int) -> dict[str, Any]:
    """Return the last line of the metrics up to a step; empty where there is none."""
    found: dict[str, Any] = {}
    if (run / METRICS).is_file():
        for row in read_jsonl(run / METRICS, dict[str, Any]):
            if isinstance(row.get("step"), int) and row["step"] <= step:
                found = row
    return found


def _rows(spec: RunSpec, step: int) -> Iterator[tuple[str, str]]:
    shape, schedule, batch = spec.shape, spec.schedule, spec.batch
    yield "layers / hidden / FFN", f"{shape.layers} / {shape.hidden} / {shape.ffn}"
    yield "heads / KV heads / head dim", f"{shape.heads} / {shape.kv_heads} / {shape.head_dim}"
    yield "vocabulary, tied output", f"{shape.vocab:,}, {'yes' if shape.tied else 'no'}"
    yield "positions, rotary base", f"{shape.max_positions:,}, {shape.rope_theta:g}"
    yield "recipe", spec.name
    yield "start", _start(spec)
    yield "steps of this run", f"{step:,} of {spec.steps:,}"
    yield "tokens of this run", f"{step * batch.tokens:,} ({batch.sequences:,} x {batch.seq_len:,} a step)"
    yield (
        "schedule",
        f"{schedule.warmup_steps:,} steps of warm-up to {schedule.peak:g}, {schedule.stable_steps:,} stable, "
        f"{schedule.decay_steps:,} of {schedule.decay} decay to {schedule.floor:g}",
    )
    if step:
        yield "learning rate at this step", f"{learning_rate(schedule, step):.4g}"
    optimizer = spec.optimizer
    yield (
        "optimizer",
        f"AdamW, betas {optimizer.beta1:g} and {optimizer.beta2:g}, weight decay {optimizer.weight_decay:g}, "
        f"gradients clipped at {optimizer.max_norm:g}",
    )
    yield "computed in", f"{spec.compute.compute_dtype}, parameters in {spec.compute.param_dtype}"


def _start(spec: RunSpec) -> str:
    if spec.start.kind == "random":
        return f"random weights (seed {spec.seed})"
    # The name says enough; the path is of one machine.
    kept = " with its optimizer state" if spec.start.optimizer else ""
    return f"{spec.start.kind} `{Path(spec.start.path).name}`{kept}"


def _data(spec: RunSpec) -> Iterator[str]:
    total = sum(source.weight for source in spec.data.sources)
    yield "| source | share |"
    yield "|---|---|"
    for source in spec.data.sources:
        yield f"| `{Path(source.folder).name}` | {source.weight / total:.2%} |"
    yield ""
    yield f"Form: {spec.data.form}; order and mixture from seed {spec.data.seed}."
    if spec.data.fim_rate:
        yield f"Fill-in-the-middle: {spec.data.fim_rate:.0%} of the documents."


def _checked(agreement: Agreement | None, dtype: str) -> str:
    if agreement is None:
        return "The logits of this folder were not compared with the checkpoint's."
    return (
        f"The logits of this folder, computed by `transformers`, differ from those of the checkpoint "
        f"(rounded to {dtype}) by at most {agreement.max_abs_diff:.3g}, the largest being "
        f"{agreement.max_abs_logit:.3g}; the likeliest token is the same at {agreement.argmax_equal:.2%} of "
        "the positions."
    )
