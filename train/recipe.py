"""What a recipe is: a stage of training in tokens, each figure with the place that it comes from.

A recipe knows nothing of machines; :func:`train.resolve.resolve` makes a ``RunSpec`` of it. Sources are of
four kinds. ``primary``: read in a file of the authors (model card, configuration, script). ``secondary``:
the paper's figure as others report it. ``computed``: follows from other figures. ``choice``: ours, with a
reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from train.shape import Shape
from train.spec import Compute, Optimizer

Preset = Literal["paper", "released-checkpoint", "practical"]
PRESETS: tuple[Preset, ...] = ("paper", "released-checkpoint", "practical")
Stage = Literal["pretrain", "anneal", "sft"]

GPU_COMPUTE = Compute()
"""Formats and kernels that a recipe has where it says nothing."""

T = TypeVar("T", int, float, str)


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a figure comes from.

    Attributes:
        text: Name of the place, short enough for a table.
        kind: How near it is to the authors (see the module).
    """

    text: str
    kind: Literal["primary", "secondary", "computed", "choice"]


@dataclass(frozen=True, slots=True)
class Figure(Generic[T]):
    """One value of a recipe.

    Attributes:
        value: The value.
        unit: What it counts; empty for a bare number or a word.
        origin: Where it comes from.
        note: What has to be known beside it.
    """

    value: T
    unit: str
    origin: Origin
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchPhase:
    """A part of the run with one form of batch.

    Attributes:
        sequences: Sequences of one step over all ranks.
        seq_len: Tokens of one sequence.
        until: Tokens of the whole run at which the phase ends; ``None`` for the last phase.
    """

    sequences: int
    seq_len: int
    until: int | None = None

    @property
    def tokens(self) -> int:
        """Tokens of one step."""
        return self.sequences * self.seq_len


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenSchedule:
    """Warm-up, stable phase and decay in tokens.

    Attributes:
        total: Tokens of the run. It may end before the decay does, as the released 1.5B did.
        peak: Highest learning rate.
        floor: Learning rate at the end of the decay.
        warmup: Tokens of the linear warm-up.
        stable: Tokens at the peak.
        decay: Tokens of the exponential decay.
    """

    total: int
    peak: float
    floor: float
    warmup: int = 0
    stable: int = 0
    decay: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochSchedule:
    """Passes over counted data, as fine-tuning has them: linear warm-up, then a cosine to the floor.

    Attributes:
        epochs: Passes.
        warmup_steps: Steps of the warm-up; a tenth of the run where the run is shorter than ten of them.
        peak: Highest learning rate.
        floor: Learning rate at the end.
    """

    epochs: int
    warmup_steps: int
    peak: float
    floor: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DataPlan:
    """What is read.

    Attributes:
        form: As in ``spec.Data``.
        document_mask: Attention ends at the document's start.
        fim_rate: Share of the documents that become fill-in-the-middle.
        template: Dialogues only: form of the chat (``train tokenize-chat --form``).
        mixture: Parts by name and their shares; empty for one part.
        dialogues: Dialogues of the published data, for plans before the data is counted; 0 without them.
        dialogue_tokens: Mean tokens of a dialogue that such plans assume.
    """

    form: Literal["stream", "packed", "padded"] = "stream"
    document_mask: bool = True
    fim_rate: float = 0.0
    template: Literal["", "template", "paper"] = ""
    mixture: tuple[tuple[str, float], ...] = ()
    dialogues: int = 0
    dialogue_tokens: int = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class StartPlan:
    """Where the weights come from.

    Attributes:
        recipe: Name of the recipe whose checkpoint it is; empty for random weights.
        step: Which of its checkpoints; ``None`` for the last.
        optimizer: Take over the optimiser's state.
    """

    recipe: str = ""
    step: int | None = None
    optimizer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointPlan:
    """When the state is saved, in tokens for pretraining and in steps for fine-tuning.

    Attributes:
        every: Between two checkpoints.
        keep: Checkpoints at multiples of so much are never removed; 0 for none.
        keep_last: The newest so many are kept.
        unit: What the two count.
    """

    every: int
    keep: int = 0
    keep_last: int = 2
    unit: Literal["tokens", "steps"] = "tokens"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """One stage of training a model.

    Attributes:
        name: As commands take it.
        preset: Whose figures.
        stage: What kind of training.
        about: One sentence.
        shape: The model.
        batches: Phases of the batch, in order.
        schedule: Learning rate and length.
        optimizer: AdamW.
        data: What is read.
        start: Where the weights come from.
        checkpoints: What is kept.
        compute: Formats and kernels.
        log_every: Steps between two lines of metrics.
        figures: Every figure by name.
        conflicts: Where sources do not agree, and what this recipe does.
    """

    name: str
    preset: Preset
    stage: Stage
    about: str
    shape: Shape
    batches: tuple[BatchPhase, ...]
    schedule: TokenSchedule | EpochSchedule
    optimizer: Optimizer
    data: DataPlan
    start: StartPlan = StartPlan()
    checkpoints: CheckpointPlan
    compute: Compute = GPU_COMPUTE
    log_every: int = 1
    figures: Mapping[str, Figure[int] | Figure[float] | Figure[str]] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name and preset, as ``RunSpec.name`` has them."""
        return f"{self.name}/{self.preset}"
