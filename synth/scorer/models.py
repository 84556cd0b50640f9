"""The models that can be trained, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

from synth.scorer.artefact import Kind
from synth.scorer.labels import Label


class TrainedModel(Protocol):
    """What a model can do; ``VERSION`` is that of its features, ``FILE`` its file in a scorer's folder."""

    FILE: ClassVar[str]
    VERSION: ClassVar[int]

    @classmethod
    def train(cls, labels: Sequence[Label], *, seed: int) -> Self:
        """Fit a model to labels."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        ...

    def save(self, folder: Path) -> str:
        """Write the model into a folder and return the name of its file."""
        ...

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return a score from 0 to 5 for each text."""
        ...

    def facts(self) -> dict[str, float | str]:
        """Return what describes the model in ``scorer.json``."""
        ...


def model_class(kind: Kind) -> type[TrainedModel]:
    """Return the class of a kind of model."""
    if kind == "fasttext":
        from synth.scorer.fasttext_model import FastTextModel

        return FastTextModel
    from synth.scorer.ngram import NgramModel

    return NgramModel
