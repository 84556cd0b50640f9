"""What a caller may set in place of what a recipe says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from opencoder.errors import UserError
from train.recipe import BatchPhase, Recipe
from train.shape import Shape
from train.spec import Compute


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """Values in place of the recipe's or the planner's; ``None`` leaves them as they are.

    Attributes:
        steps: Length of the run; the schedule is cut anew.
        sequences: Sequences of a step over all ranks.
        seq_len: Tokens of a sequence.
        micro: Sequences of a rank at a time.
        shard: Ranks that share one copy of the parameters.
        tensor: Ranks that share each matrix.
        vocab: Rows of the embedding, for another tokenizer than the model's.
        peak: Highest learning rate.
        fim_rate: Share of documents that become fill-in-the-middle.
        document_mask: Attention ends at the document's start.
        activation_checkpoint: What is computed again in the backward pass.
        param_dtype: Format of parameters, gradients and optimiser states.
        compile: Compile blocks and loss.
        checkpoint_every: Steps between two checkpoints.
        seed: Of the weights and of the data's order.
    """

    steps: int | None = None
    sequences: int | None = None
    seq_len: int | None = None
    micro: int | None = None
    shard: int | None = None
    tensor: int | None = None
    vocab: int | None = None
    peak: float | None = None
    fim_rate: float | None = None
    document_mask: bool | None = None
    activation_checkpoint: Literal["none", "selective", "full"] | None = None
    param_dtype: Literal["float32", "bfloat16"] | None = None
    compile: bool | None = None
    checkpoint_every: int | None = None
    seed: int | None = None

    def shape(self, recipe: Recipe) -> Shape:
        """Return the model, with another vocabulary where one is asked for."""
        return recipe.shape if self.vocab is None else msgspec.structs.replace(recipe.shape, vocab=self.vocab)

    def batch(self, recipe: Recipe, phase: int) -> BatchPhase:
        """Return the batch of a phase.

        Raises:
            UserError: The sequence is longer than the model's positions, or a size is below 1.
        """
        own = recipe.batches[phase]
        batch = BatchPhase(
            sequences=own.sequences if self.sequences is None else self.sequences,
            seq_len=own.seq_len if self.seq_len is None else self.seq_len,
            until=own.until,
        )
        if batch.sequences < 1 or batch.seq_len < 1:
            raise UserError(f"batch: {batch.sequences} x {batch.seq_len}: both must be at least 1")
        if batch.seq_len > recipe.shape.max_positions:
            raise UserError(
                f"--seq-len {batch.seq_len}: {recipe.name} has {recipe.shape.max_positions} positions"
            )
        return batch

    def compute(self, recipe: Recipe, *, on_gpu: bool) -> Compute:
        """Return formats and kernels: a recipe for the CPU takes the usual ones of GPUs on a GPU."""
        own = recipe.compute
        if on_gpu and own.device == "cpu":
            own = Compute()
        elif not on_gpu and own.device == "cuda":
            own = Compute(device="cpu", compute_dtype="float32", activation_checkpoint="none", compile=False)
        changed = {
            "activation_checkpoint": self.activation_checkpoint,
            "param_dtype": self.param_dtype,
            "compile": self.compile,
        }
        return msgspec.structs.replace(
            own, **{key: value for key, value in changed.items() if value is not None}
        )
