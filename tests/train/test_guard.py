"""Which optimiser steps the guard refuses."""

from __future__ import annotations

import math

import pytest

from opencoder.errors import GateError
from train.guard import StepGuard
from train.spec import Guard


@pytest.mark.parametrize("norm", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_is_refused(norm: float) -> None:
    guard = StepGuard(Guard(window=2))
    assert guard.admit(1.0)
    assert not guard.admit(norm)
    assert guard.last_skipped
    assert guard.admit(1.0)
    assert not guard.last_skipped
    assert guard.skipped == 1


def test_a_spike_is_refused_once_the_usual_norm_is_known() -> None:
    guard = StepGuard(Guard(spike=10, window=3))
    assert [guard.admit(norm) for norm in (1.0, 50.0, 1.1)] == [True, True, True]
    # The median of 1, 50 and 1.1 is 1.1.
    assert guard.admit(10.9)
    # Of 50, 1.1 and 10.9 it is 10.9.
    assert not guard.admit(109.1)
    assert guard.admit(108.9)


def test_spikes_do_not_become_the_usual() -> None:
    guard = StepGuard(Guard(spike=2, window=2, max_skipped=9))
    assert [guard.admit(1.0), guard.admit(1.0)] == [True, True]
    assert [guard.admit(5.0) for _ in range(4)] == [False] * 4
    assert guard.admit(1.0)


def test_a_factor_of_zero_turns_spikes_off() -> None:
    guard = StepGuard(Guard(spike=0, window=1))
    assert all(guard.admit(norm) for norm in (1.0, 1e9, 1e-9, 1e9))


def test_too_many_on_end_stop_the_run() -> None:
    guard = StepGuard(Guard(max_skipped=3))
    for _ in range(2):
        assert not guard.admit(math.nan)
    assert guard.admit(1.0)
    for _ in range(2):
        assert not guard.admit(math.nan)
    with pytest.raises(
        GateError, match="3 steps on end were skipped, the last one because the gradient norm is inf"
    ):
        guard.admit(math.inf)


def test_a_restored_guard_decides_alike() -> None:
    norms = [1.0, 1.2, 40.0, math.nan, 0.9, 1.1, 9.0, 30.0, 1.0, math.inf, 25.0]
    for cut in range(len(norms)):
        whole, first = StepGuard(Guard(window=3)), StepGuard(Guard(window=3))
        for norm in norms[:cut]:
            whole.admit(norm)
            first.admit(norm)
        second = StepGuard(Guard(window=3))
        second.restore(first.numbers())
        assert [whole.admit(norm) for norm in norms[cut:]] == [second.admit(norm) for norm in norms[cut:]]
        assert whole.skipped == second.skipped


def test_the_state_has_one_size() -> None:
    guard = StepGuard(Guard(window=5))
    sizes = [len(guard.numbers())]
    for norm in (1.0, math.nan, 2.0, 3.0, 4.0, 5.0, 6.0):
        guard.admit(norm)
        sizes.append(len(guard.numbers()))
    assert set(sizes) == {7}
