"""Does the exported folder compute what the checkpoint computes?

``transformers`` loads the folder from disk as any user would. Beside it the checkpoint's own tensors run
through ``train.model`` layer by layer, with torchtitan's pairing of the rotary positions: they are neither
renamed nor reordered by what wrote the folder, so a mistake there cannot cancel out. Both compute in float32.
For a bfloat16 or float16 folder the checkpoint's values are rounded to that format first: what is checked
is the export, not what rounding does to a model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from opencoder.errors import GateError
from train.export.checkpoint import Checkpoint
from train.export.folder import torch_dtype
from train.export.names import hf_name

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-5
"""Largest difference of two logits, as a share of the largest logit (at least 1)."""
_ROWS, _LENGTH = 2, 200


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How near the two are.

    Attributes:
        max_abs_diff: Largest difference of two logits.
        max_abs_logit: Largest logit.
        argmax_equal: Share of the positions whose likeliest token is the same.
    """

    max_abs_diff: float
    max_abs_logit: float
    argmax_equal: float

    @property
    def holds(self) -> bool:
        """Within the tolerance. NaN is not."""
        return self.max_abs_diff <= TOLERANCE * max(1.0, self.max_abs_logit)


def check_export(folder: Path, checkpoint: Checkpoint, dtype: str) -> Agreement:
    """Compare the logits of random tokens.

    Needs memory for the whole model in float32, and for one more layer.

    Args:
        folder: The exported folder.
        checkpoint: What it was made from.
        dtype: Format of the export.

    Raises:
        GateError: They differ by more than the tolerance.
    """
    import torch

    shape = checkpoint.shape
    generator = torch.Generator().manual_seed(0)
    length = min(_LENGTH, shape.max_positions)
    tokens = torch.randint(shape.vocab, (_ROWS, length), generator=generator)
    wanted, found = reference_logits(checkpoint, tokens, dtype), folder_logits(folder, tokens)
    agreement = Agreement(
        max_abs_diff=(wanted - found).abs().max().item(),
        max_abs_logit=wanted.abs().max().item(),
        argmax_equal=(wanted.argmax(-1) == found.argmax(-1)).float().mean().item(),
    )
    if not agreement.holds:
        raise GateError(
            f"the exported model differs from the checkpoint: logits by {agreement.max_abs_diff:.3g} "
            f"(largest {agreement.max_abs_logit:.3g}), likeliest token equal at "
            f"{agreement.argmax_equal:.1%}; nothing was kept"
        )
    return agreement


def reference_logits(checkpoint: Checkpoint, tokens: Tensor, dtype: str) -> Tensor:
    """Compute logits from the checkpoint's own tensors, with one layer in memory at a time."""
    import torch
    from torch.nn import functional

    from train.model.llama import Block, Norm, rotary_turns

    shape, kind = checkpoint.shape, torch_dtype(dtype)

    def values(name: str) -> Tensor:
        return checkpoint.read(name).to(kind).float()

    with torch.no_grad():
        embedding = values("tok_embeddings.weight")
        x = functional.embedding(tokens, embedding)
        turns = rotary_turns(shape, torch.arange(tokens.shape[1]).unsqueeze(0))
        for layer in range(shape.layers):
            before = f"layers.{layer}."
            with torch.device("meta"):
                block = Block(shape, "interleaved")
            state = {
                hf_name(name).removeprefix(f"model.layers.{layer}."): values(name)
                for name in checkpoint.sizes
                if name.startswith(before)
            }
            block.load_state_dict(state, assign=True)
            x = block(x, turns, None)
        with torch.device("meta"):
            norm = Norm(shape.hidden, shape.norm_eps)
        norm.load_state_dict({"weight": values("norm.weight")}, assign=True)
        head = embedding if shape.tied else values("lm_head.weight")
        return functional.linear(norm(x), head)


def folder_logits(folder: Path, tokens: Tensor) -> Tensor:
    """Load the folder with ``transformers`` and return its logits in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    with torch.no_grad():
        logits: Tensor = model.eval()(tokens).logits
    return logits
