"""Runs of a trainer that trains nothing, under a quick stand-in for torchrun or under torchrun itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.training import make_spec
from train.run import torchrun
from train.run.folder import CONSOLE
from train.run.supervise import Job
from train.run.torchrun import launch
from train.spec import ERRORS, Checkpoints, Parallel, write_spec

SUPPORT = Path(__file__).resolve().parents[2] / "support"


@pytest.fixture
def make_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    """Makes a job of the fake trainer; keywords go to it; ``real`` uses torchrun."""
    monkeypatch.syspath_prepend(str(SUPPORT))
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))

    def make(
        *,
        nproc: int = 1,
        hang_s: float = 0.0,
        real: bool = False,
        spec: dict[str, Any] | None = None,
        **fake: Any,
    ) -> Job:
        if not real:
            monkeypatch.setattr(torchrun, "AGENT", "fake_torchrun")
        folder = tmp_path / "run"
        for name in ("", ERRORS, CONSOLE):
            (folder / name).mkdir(parents=True, exist_ok=True)
        changes = {"steps": 10, "checkpoints": Checkpoints(every=4), **(spec or {})}
        made = make_spec(tmp_path, parallel=Parallel(shard=nproc), **changes)
        write_spec(folder, made)
        monkeypatch.setenv("FAKE_TRAINER", json.dumps(fake))
        return Job(
            folder=folder,
            name=made.name,
            steps=made.steps,
            launch=launch(folder, nproc, module="fake_trainer"),
            resume="opencoder train run tiny -o RUN",
            hang_s=hang_s,
        )

    return make
