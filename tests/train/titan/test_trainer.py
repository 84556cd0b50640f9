"""Errors of a step that are none of the guard's making."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("torchtitan", reason="needs the extra `train`")

from train.guard import StepGuard
from train.spec import Guard
from train.titan.compat import prepare

prepare("cpu")

from train.titan.trainer import SpecTrainer, Trainer  # noqa: E402 - after the repairs


def test_a_fault_after_a_skipped_step_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(self: Any, data: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    trainer = SpecTrainer.__new__(SpecTrainer)
    trainer.guard = StepGuard(Guard())
    assert not trainer.guard.admit(math.nan)
    monkeypatch.setattr(Trainer, "train_step", fault)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        trainer.train_step(iter(()))
