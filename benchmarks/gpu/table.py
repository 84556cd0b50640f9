"""The results as Markdown."""

from __future__ import annotations

from typing import Any


def markdown(results: dict[str, Any]) -> str:
    """Return one table for each part."""
    speed = results["speed"]
    lines = [
        _title(results),
        *_table(
            "Numerics (norm of the difference by the norm; bfloat16 against our float32)",
            results["numerics"],
            ("shape", "dtype", "logits", "gradients", "logits_transformers", "gradients_transformers", "ok"),
        ),
        *_table(
            "Attention, forward and backward (TFLOP/s by the causal count)",
            results["attention"],
            ("kernel", "ms", "tflops", "status"),
        ),
        *_table(
            "Speed (MFU by the full-attention count and 989 TFLOP/s; recipe: the optimiser once in 256 "
            "micro-batches, computed)",
            speed,
            (
                "weights", "micro", "checkpoint", "kernel", "compile", "tokens_per_s", "mfu", "recipe_mfu",
                "micro_s", "optimizer_s", "peak_gib", "reserved_gib", "plan_gib", "ready_s", "status",
            ),
        ),
        *_table(
            "Learning", results["learning"],
            ("params", "steps", "tokens", "first_loss", "last_loss", "wall_s", "ok"),
        ),
    ]  # fmt: skip
    best = max((row["recipe_mfu"] or 0.0 for row in speed if row.get("status") == "ok"), default=0.0)
    if best:
        lines.append(f"Best: {best:.1%} MFU; the goal is 45 %.")
    return "\n".join([*lines, ""])


def _title(results: dict[str, Any]) -> str:
    row = next((row for row in results["numerics"] if "device" in row), {})
    return f"# GPU check: {row.get('device', '?')}, torch {row.get('torch', '?')}\n"


def _table(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> list[str]:
    shown = [f"| {' | '.join(_text(row.get(name)) for name in columns)} |" for row in rows]
    return [f"## {title}", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *shown, ""]


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
