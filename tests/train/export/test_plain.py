"""A model as plain PyTorch, from a run and from the folder that was made of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from opencoder.errors import UserError
from train.export.export import ExportSettings, export
from train.export.plain import plain_model
from train.model.llama import Llama
from train.shape import Shape


def test_runs_and_folders_compute_what_was_trained(
    shape: Shape,
    make_model: Callable[..., Llama],
    make_run: Callable[..., Path],
    tokenizer: Path,
    tmp_path: Path,
) -> None:
    model = make_model(shape)
    run = make_run(model, (3, 6))
    export(run, tmp_path / "hf", ExportSettings(dtype="float32"))
    tokens = torch.randint(shape.vocab, (2, 50), generator=torch.Generator().manual_seed(9))
    wanted = model.logits(model(tokens))
    for given in (run, run / "checkpoint" / "step-3", tmp_path / "hf"):
        found = plain_model(given)
        torch.testing.assert_close(found.model.logits(found.model(tokens)), wanted, rtol=1e-5, atol=1e-5)
        assert found.tokenizer == (given if given.name == "hf" else tokenizer)
        assert not found.model.training


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folder"):
        plain_model(tmp_path)
