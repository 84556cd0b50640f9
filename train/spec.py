"""A run made ready for one machine: all that the training processes read, as ``spec.json`` in the run folder.

Everything is in steps, sequences and absolute paths here; recipes are in tokens (``train.recipe``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from opencoder.errors import UserError
from opencoder.store import read_json, write_json
from train.shape import Shape

SPEC = "spec.json"
"""Name of the file in the run folder."""
CHECKPOINTS = "checkpoint"
"""Folder of the checkpoints in the run folder; each is ``step-N``."""
METRICS = "metrics.jsonl"
"""One line per logged step, written by rank 0: step, loss, lr, grad_norm, tokens_per_s, mfu, skipped ..."""
FINISHED = "finished.json"
"""Written by rank 0 at the end: where and why it ended."""
ERRORS = "errors"
"""Folder with a file ``rank-R.json`` for each rank that failed: kind and message."""
LOAD_STEP = "load_step.json"
"""``{"step": N}``: the trainer goes on from this checkpoint once, and sets later ones aside."""
ASIDE = "checkpoint-aside"
"""Folder of checkpoints that were set aside."""
SINKS = "sinks"
"""Folder of what TensorBoard and wandb write."""
STOP = "stop"
"""When this file appears in the run folder, the run saves after the step in hand and ends with code 0."""


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one optimiser step sees.

    Attributes:
        sequences: Sequences of one step over all ranks.
        seq_len: Tokens of one sequence.
        micro: Sequences that one rank computes at a time; the rest is gradient accumulation.
    """

    sequences: int
    seq_len: int
    micro: int

    @property
    def tokens(self) -> int:
        """Tokens of one step."""
        return self.sequences * self.seq_len


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning rate by step (see ``train.schedule``).

    Attributes:
        peak: Highest learning rate.
        floor: Learning rate at the last step of the decay.
        warmup_steps: Linear warm-up from 0 to the peak.
        stable_steps: Steps at the peak after the warm-up.
        decay_steps: Steps from the peak to the floor; 0 for a run that ends in the stable phase.
        decay: Form of the decay.
    """

    peak: float
    floor: float
    warmup_steps: int
    stable_steps: int
    decay_steps: int
    decay: Literal["exponential", "cosine", "linear"] = "exponential"


class Optimizer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdamW and the clipping of gradients."""

    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    max_norm: float = 1.0


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One folder of token shards and its share of the sequences."""

    folder: str
    weight: float = 1.0


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is read, and how it is cut into sequences.

    Attributes:
        sources: Folders of token shards (``train.tokens``), all of one tokenizer.
        form: ``stream``: documents end to end, cut every ``seq_len`` tokens (pretraining). ``packed``: whole
            dialogues packed into sequences. ``padded``: one dialogue per sequence, truncated (paper SFT).
        seed: Seed of order, mixture and fill-in-the-middle.
        document_mask: Attention ends at the document's start, and positions restart there.
        fim_rate: Share of the documents that become fill-in-the-middle.
        spm_rate: Share of those in suffix-prefix-middle order.
    """

    sources: list[Source]
    form: Literal["stream", "packed", "padded"] = "stream"
    seed: int = 0
    document_mask: bool = True
    fim_rate: float = 0.0
    spm_rate: float = 0.5


class Parallel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the ranks share the work. ``replicate * shard * tensor`` is the number of ranks.

    Attributes:
        replicate: Copies of the sharded model (HSDP); 1 is FSDP.
        shard: Ranks that share one copy of the parameters.
        tensor: Ranks that share each matrix.
    """

    replicate: int = 1
    shard: int = 1
    tensor: int = 1

    @property
    def ranks(self) -> int:
        """All ranks."""
        return self.replicate * self.shard * self.tensor

    @property
    def data_ranks(self) -> int:
        """Ranks that read different data."""
        return self.replicate * self.shard


class Compute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Number formats and kernels.

    Attributes:
        device: Where it runs.
        param_dtype: Format of parameters, gradients and optimiser states.
        compute_dtype: Format of matrix products.
        activation_checkpoint: What is computed again in the backward pass.
        compile: Compile blocks and loss with ``torch.compile``.
        chunked_loss: Compute logits and loss in pieces, so that the logits are never whole in memory.
        deterministic: Only algorithms that give the same bits every time.
    """

    device: Literal["cpu", "cuda"] = "cuda"
    param_dtype: Literal["float32", "bfloat16"] = "float32"
    compute_dtype: Literal["float32", "bfloat16"] = "bfloat16"
    activation_checkpoint: Literal["none", "selective", "full"] = "selective"
    compile: bool = True
    chunked_loss: bool = True
    deterministic: bool = False


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the state is saved and what is kept.

    Attributes:
        every: Steps between two checkpoints.
        keep_last: The newest so many are kept (at least 2).
        keep_every: Checkpoints at multiples of so many steps are never removed, so that annealing can start
            from a chosen one of the stable phase; 0 for none.
        asynchronous: Write while the training goes on.
    """

    every: int
    keep_last: int = 2
    keep_every: int = 0
    asynchronous: bool = False


class Guard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to steps that would harm the model.

    A step whose loss or gradient norm is not finite is skipped: the weights stay, the data is passed over.
    The same holds for a gradient norm above ``spike`` times the median of the last ``window`` steps.

    Attributes:
        spike: Factor; 0 turns it off.
        window: Steps that the median is taken over; none is skipped as a spike before it is full.
        max_skipped: So many skipped steps on end stop the run.
    """

    spike: float = 10.0
    window: int = 64
    max_skipped: int = 8


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the weights come from when the run folder has no checkpoint yet.

    Attributes:
        kind: ``random``; ``checkpoint``: a ``step-N`` folder; ``hf``: a Hugging Face folder.
        path: The folder, absolute.
        optimizer: Take over the optimiser's state too (``checkpoint`` only).
    """

    kind: Literal["random", "checkpoint", "hf"] = "random"
    path: str = ""
    optimizer: bool = False


class RunSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run.

    Attributes:
        name: Recipe and preset, as in ``opencoder-1.5b-anneal/practical``.
        shape: The model.
        tokenizer: Folder with ``tokenizer.json``, absolute.
        batch: What a step sees.
        steps: Optimiser steps of the whole run.
        schedule: Learning rate.
        optimizer: AdamW.
        data: What is read.
        parallel: How ranks share the work.
        compute: Formats and kernels.
        checkpoints: What is kept.
        guard: What is skipped.
        start: Where the weights come from.
        seed: Seed of the initial weights.
        log_every: Steps between two lines of ``metrics.jsonl``.
        sinks: Where metrics go besides the file.
    """

    name: str
    shape: Shape
    tokenizer: str
    batch: Batch
    steps: int
    schedule: Schedule
    optimizer: Optimizer = Optimizer()
    data: Data
    parallel: Parallel = Parallel()
    compute: Compute = Compute()
    checkpoints: Checkpoints
    guard: Guard = Guard()
    start: Start = Start()
    seed: int = 0
    log_every: int = 1
    sinks: list[Literal["tensorboard", "wandb"]] = []

    @property
    def accumulation(self) -> int:
        """Micro-batches that each rank computes for one step.

        Raises:
            UserError: The batch cannot be shared evenly.
        """
        whole = self.batch.micro * self.parallel.data_ranks
        if self.batch.sequences % whole:
            raise UserError(
                f"batch: {self.batch.sequences} sequences a step cannot be shared by "
                f"{self.parallel.data_ranks} ranks of {self.batch.micro}; change --micro or the ranks"
            )
        return self.batch.sequences // whole


def read_spec(folder: Path) -> RunSpec:
    """Read the spec of a run folder.

    Raises:
        DataError: It is missing or not one.
    """
    return read_json(folder / SPEC, RunSpec)


def write_spec(folder: Path, spec: RunSpec) -> None:
    """Write the spec of a run folder, whole or not at all."""
    write_json(folder / SPEC, spec)
