"""Data and a run that several tests go on from; made once for all workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import training
from tests.support.once import made_once


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "data", training.make_data)


@pytest.fixture(scope="session")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run on one rank."""
    spec = training.make_spec(data)
    return made_once(tmp_path_factory, "whole", lambda folder: training.train(folder, spec))
