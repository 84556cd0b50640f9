"""``opencoder train export``: a checkpoint as a Hugging Face folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import needs
from opencoder.log import emit

NEEDED = ("numpy", "safetensors", "tokenizers", "torch", "transformers")
"""Packages of the extra ``train`` that export and import use."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """Options of an export."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """The new folder."""
    step: int | None = None
    """Step of the checkpoint, for a run folder; its newest if not given."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Number format of the weights; what the run computed in if not given."""
    tokenizer: Path | None = None
    """Folder of the tokenizer; the run's own if not given."""
    check: bool = True
    """Compare the folder's logits with the checkpoint's; --no-check for a model larger than the memory."""
    max_shard_gb: float = 5.0
    """Largest file of weights, in units of 10^9 bytes."""
    license: Annotated[str, Parameter(name="--license")] = "other"
    """Licence in the model card, as the hub names it (apache-2.0, mit ...)."""


def export_command(
    checkpoint: Annotated[
        Path, Parameter(name="CKPT", help="Run folder, or a step-N folder of its checkpoints.")
    ],
    *,
    options: ExportOptions,
    common: Common | None = None,
) -> None:
    """Write a checkpoint as a complete Hugging Face folder and check its logits."""
    with needs(NEEDED, "train"):
        from train.export.export import Exported, ExportSettings, export

        settings = ExportSettings(
            dtype=options.dtype,
            tokenizer=options.tokenizer,
            check=options.check,
            max_shard_bytes=int(options.max_shard_gb * 10**9),
            license_id=options.license,
        )
        done = export(checkpoint, options.out, settings, step=options.step)

    def text(done: Exported = done) -> str:
        checked = (
            "logits not checked"
            if done.max_abs_diff is None
            else f"logits within {done.max_abs_diff:.2g} of the checkpoint's"
        )
        return (
            f"{done.params:,} parameters of step {done.step:,} in {done.dtype}, "
            f"{done.num_bytes / 1e9:,.2f} GB, {checked}: {done.folder}"
        )

    emit(done, json=common is not None and common.json, text=text)
