"""The task specification: by weight, and the same in every order."""

from __future__ import annotations

from collections import Counter

import pytest

from synth.record import row_id
from synth.stages.draw import Value, pick

TABLE = {
    "easy": Value(weight=3),
    "medium": Value(weight=6),
    "never": Value(weight=0),
    "hard": Value(weight=1),
}


def test_draws_follow_the_weights() -> None:
    rows = [row_id("r", 1, [str(i)], 0) for i in range(4000)]
    found = Counter(pick(TABLE, 0, row, "difficulty") for row in rows)
    assert found["never"] == 0
    assert found["easy"] == pytest.approx(1200, abs=120)
    assert found["hard"] == pytest.approx(400, abs=80)


def test_a_draw_depends_on_row_table_and_seed_alone() -> None:
    rows = [row_id("r", 1, [str(i)], 0) for i in range(300)]
    draws = [pick(TABLE, 0, row, "difficulty") for row in rows]
    assert [pick(TABLE, 0, row, "difficulty") for row in reversed(rows)] == draws[::-1]
    assert [pick(TABLE, 1, row, "difficulty") for row in rows] != draws
    assert [pick(TABLE, 0, row, "style") for row in rows] != draws
