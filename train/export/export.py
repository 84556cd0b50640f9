"""From a checkpoint to a Hugging Face folder that is complete and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from opencoder.errors import UserError
from opencoder.files import write_bytes
from train.export.card import card, last_figures
from train.export.check import Agreement, check_export
from train.export.checkpoint import Checkpoint, find_checkpoint
from train.export.folder import copy_tokenizer, whole_folder, write_configs, write_weights
from train.export.tokenizer import check_fits, check_trained, read_ids


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSettings:
    """How a folder is written.

    Attributes:
        dtype: Format of the weights: float32, bfloat16 or float16; None for the one that the run computed in.
        tokenizer: Folder of the tokenizer; None for the run's own.
        check: Compare the logits of the folder with the checkpoint's.
        max_shard_bytes: Largest file of weights.
        license_id: For the model card.
    """

    dtype: str | None = None
    tokenizer: Path | None = None
    check: bool = True
    max_shard_bytes: int = 5 * 10**9
    license_id: str = "other"


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written.

    Attributes:
        folder: Where.
        checkpoint: From what.
        step: Of the checkpoint.
        params: Parameters.
        dtype: Format of the weights.
        files: All files, by name.
        num_bytes: Of all files together.
        max_abs_diff: Largest difference of two logits between folder and checkpoint; None if not checked.
        max_abs_logit: Largest logit there.
        argmax_equal: Share of the positions whose likeliest token is the same.
    """

    folder: str
    checkpoint: str
    step: int
    params: int
    dtype: str
    files: list[str]
    num_bytes: int
    max_abs_diff: float | None = None
    max_abs_logit: float | None = None
    argmax_equal: float | None = None


def export(given: Path, out: Path, settings: ExportSettings, *, step: int | None = None) -> Exported:
    """Write a checkpoint as a Hugging Face folder.

    Args:
        given: A run folder or a ``step-N`` folder in one.
        out: The new folder.
        settings: How.
        step: Of a run folder; None for its newest checkpoint.

    Raises:
        UserError: There is no such checkpoint, the tokenizer is not the model's, or ``out`` is taken.
        DataError: A file of checkpoint, run or tokenizer is missing or damaged.
        GateError: The folder does not compute what the checkpoint does; nothing is left of it.
        DependencyError: The disk is full.
    """
    if settings.max_shard_bytes < 1:
        raise UserError("the largest file must have room for at least one byte")
    folder, number, spec = find_checkpoint(given, step)
    tokenizer = settings.tokenizer or Path(spec.tokenizer)
    ids = read_ids(tokenizer)
    check_fits(tokenizer, ids, spec.shape)
    check_trained(tokenizer, [Path(source.folder) for source in spec.data.sources])
    checkpoint = Checkpoint(folder, spec.shape)
    dtype = settings.dtype or spec.compute.compute_dtype
    with whole_folder(out) as partial:
        write_weights(partial, checkpoint, dtype, settings.max_shard_bytes)
        write_configs(partial, spec.shape, ids, dtype)
        copy_tokenizer(tokenizer, partial)
        agreement: Agreement | None = None
        if settings.check:
            agreement = check_export(partial, checkpoint, dtype)
        text = card(
            spec,
            number,
            dtype=dtype,
            license_id=settings.license_id,
            figures=last_figures(folder.resolve().parent.parent, number),
            agreement=agreement,
        )
        write_bytes(partial / "README.md", text.encode())
    return Exported(
        folder=str(out),
        checkpoint=str(folder),
        step=number,
        params=spec.shape.params,
        dtype=dtype,
        files=sorted(path.name for path in out.iterdir()),
        num_bytes=sum(path.stat().st_size for path in out.iterdir()),
        **({} if agreement is None else msgspec.structs.asdict(agreement)),
    )
