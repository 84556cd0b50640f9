"""Our loader behind torchtitan's interface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torchtitan.components.dataloader import BaseDataLoader

from train.data import open_sequences
from train.loader import Batches
from train.spec import read_spec


class SpecLoader(BaseDataLoader):
    """Batches of the sequences that a run's spec names.

    Its state is how many sequences all ranks together have consumed: any number of ranks can go on from it.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(BaseDataLoader.Config):
        """``folder``: the run folder."""

        folder: str

    def __init__(self, config: Config, *, dp_world_size: int, dp_rank: int, **_: Any) -> None:
        spec = read_spec(Path(config.folder))
        sequences = open_sequences(spec.data, spec.batch.seq_len, spec.shape.vocab)
        self._batches = Batches(sequences, spec.batch, rank=dp_rank, ranks=dp_world_size)

    def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        return iter(self._batches)

    def state_dict(self) -> dict[str, Any]:
        """Return the position."""
        return self._batches.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a position."""
        self._batches.load_state_dict(state_dict)


class NoLoader(BaseDataLoader):
    """Stands where no step will be taken."""

    @dataclass(kw_only=True, slots=True)
    class Config(BaseDataLoader.Config):
        """No settings of its own."""

    def __init__(self, config: Config, **_: Any) -> None:
        """Hold nothing."""

    def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        return iter(())

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing."""
