"""A writer of runs, for the tests of exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from synth.record import Row
from tests.support import synth_rows

Write = Callable[[Sequence[Row]], Path]


@pytest.fixture
def write_run(tmp_path: Path) -> Write:
    """Write rows as a run below the test's own folder."""
    return lambda rows: synth_rows.write_run(tmp_path / "run", rows)
