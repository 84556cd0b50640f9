"""A trained model as a module of plain PyTorch, from a checkpoint or from a Hugging Face folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from train.export.checkpoint import Checkpoint, find_checkpoint
from train.export.load import CONFIG, hf_shape, hf_state
from train.export.names import hf_name

if TYPE_CHECKING:
    from torch import Tensor

    from train.model.llama import Llama
    from train.shape import Shape


class Plain(NamedTuple):
    """A model and its tokenizer.

    Attributes:
        model: In float32, ready to be evaluated.
        tokenizer: Folder with ``tokenizer.json``.
    """

    model: Llama
    tokenizer: Path


def plain_model(given: Path, step: int | None = None) -> Plain:
    """Load a model.

    Args:
        given: A run folder, a ``step-N`` folder in one, or a Hugging Face folder.
        step: Of a run folder; None for its newest checkpoint.

    Raises:
        UserError: There is no such checkpoint.
        DataError: A file is missing or damaged.
    """
    if (given / CONFIG).is_file():
        return Plain(_model(hf_shape(given), hf_state(given)), given)
    folder, _, spec = find_checkpoint(given, step)
    checkpoint = Checkpoint(folder, spec.shape)
    state = ((name, checkpoint.read(name)) for name in checkpoint.sizes)
    return Plain(_model(spec.shape, state), Path(spec.tokenizer))


def _model(shape: Shape, state: Iterable[tuple[str, Tensor]]) -> Llama:
    import torch

    from train.model.llama import Llama

    with torch.device("meta"):
        # Both sources have torchtitan's order of rows.
        model = Llama(shape, "interleaved")
    tensors = {hf_name(name): tensor.float() for name, tensor in state}
    if shape.tied:
        tensors.pop("lm_head.weight", None)
    model.load_state_dict(tensors, assign=True)
    return model.eval()
