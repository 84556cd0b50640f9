"""Data for the tests of ``eval``."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "benchmarks"


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide every data file of this machine; returns the folder that stands for the user's cache."""
    monkeypatch.delenv("OPENCODER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "cache"


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the real data files, named by ``OPENCODER_DATA``."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/benchmarks with the real data files")
    monkeypatch.setenv("OPENCODER_DATA", str(SHARED))
    return SHARED


@pytest.fixture
def verdict_rows(real_data: Path) -> Callable[[str], list[dict[str, Any]]]:
    """Reads a file of recorded verdicts, for solutions of many kinds."""

    def read(name: str) -> list[dict[str, Any]]:
        with gzip.open(real_data / "verdicts" / name, "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    return read
