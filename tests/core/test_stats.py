import itertools
import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencoder.stats import (
    bootstrap_difference,
    bootstrap_mean,
    mcnemar_exact,
    pass_at_k,
    task_pass_at_k,
    wilson,
)


def pass_at_k_by_enumeration(n, c, k):
    """Share of the k-subsets of n samples (the first c of them good) that hold a good one."""
    subsets = list(itertools.combinations(range(n), k))
    return Fraction(sum(min(subset) < c for subset in subsets), len(subsets))


@pytest.mark.parametrize("n", range(1, 9))
def test_pass_at_k_is_the_share_of_subsets_with_a_pass(n):
    for c in range(n + 1):
        for k in range(1, n + 1):
            exact = float(pass_at_k_by_enumeration(n, c, k))
            assert task_pass_at_k(n, c, k) == pytest.approx(exact, abs=1e-15)


@given(st.integers(1, 2000), st.data())
def test_pass_at_k_holds_for_large_n(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    exact = 1 - Fraction(math.comb(n - c, k), math.comb(n, k))
    assert task_pass_at_k(n, c, k) == pytest.approx(float(exact), abs=1e-12)


def test_pass_at_k_is_the_mean_over_tasks_not_over_samples():
    assert pass_at_k([(1, 1), (4, 1)], 1) == pytest.approx((1 + 1 / 4) / 2)
    assert pass_at_k([(5, 2), (5, 0)], 2) == pytest.approx((1 - 3 / 10) / 2)


def test_pass_at_k_needs_k_samples_of_every_task():
    assert pass_at_k([(10, 3), (9, 3)], 10) is None
    assert pass_at_k([], 1) is None
    assert task_pass_at_k(0, 0, 1) is None


@pytest.mark.parametrize(("n", "c", "k"), [(1, 2, 1), (1, -1, 1), (1, 1, 0)])
def test_pass_at_k_refuses_nonsense(n, c, k):
    with pytest.raises(ValueError, match="0 <= c <= n"):
        task_pass_at_k(n, c, k)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 10), (82, 164), (163, 164), (164, 164)])
def test_wilson_bounds_solve_its_equation(successes, trials):
    """Each bound is a proportion p at which the score statistic equals z: (x/n - p)^2 = z^2 p (1-p) / n."""
    z = 1.959963984540054
    interval = wilson(successes, trials)
    assert 0 <= interval.low <= successes / trials <= interval.high <= 1
    for p in interval:
        assert (successes / trials - p) ** 2 == pytest.approx(z * z * p * (1 - p) / trials, abs=1e-12)


def test_wilson_without_trials_knows_nothing():
    assert wilson(0, 0) == (0, 1)


def test_wilson_known_value():
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def exact_binomial_quantiles(n, successes, tail):
    """Quantiles of the bootstrap mean of 0/1 values, from the binomial that it follows."""
    p, total, low = Fraction(successes, n), Fraction(0), None
    for i in range(n + 1):
        total += math.comb(n, i) * p**i * (1 - p) ** (n - i)
        if low is None and total >= tail:
            low = i / n
        if total >= 1 - tail:
            return low, i / n
    raise AssertionError("the tail was not reached")


@pytest.mark.parametrize(("n", "successes"), [(20, 10), (164, 98), (378, 300)])
def test_bootstrap_of_zeros_and_ones_matches_the_binomial(n, successes):
    values = [1.0] * successes + [0.0] * (n - successes)
    low, high = exact_binomial_quantiles(n, successes, Fraction(1, 40))
    assert bootstrap_mean(values, resamples=40_000) == pytest.approx((low, high), abs=1.01 / n)


@pytest.mark.parametrize("num_values", [2, 3, 11, 400])
def test_bootstrap_matches_drawing_tasks_one_by_one(num_values):
    generator = random.Random(5)
    values = [generator.randrange(num_values) / num_values for _ in range(400)]
    drawn = sorted(sum(generator.choices(values, k=400)) / 400 for _ in range(4000))
    spread = drawn[3899] - drawn[100]
    interval = bootstrap_mean(values)
    assert interval.low == pytest.approx(drawn[100], abs=0.1 * spread)
    assert interval.high == pytest.approx(drawn[3899], abs=0.1 * spread)


def test_bootstrap_depends_on_the_seed_only_and_not_on_order():
    values = [0.0, 1.0, 1.0] * 30
    interval = bootstrap_mean(values, seed=1)
    assert interval == bootstrap_mean(values, seed=1) == bootstrap_mean(values[::-1], seed=1)


def test_bootstrap_of_equal_values_is_a_point():
    assert bootstrap_mean([0.25] * 10) == (0.25, 0.25)
    assert bootstrap_mean([1.0]) == (1.0, 1.0)
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_mean([])


def test_paired_bootstrap_is_narrower_than_its_parts_where_systems_agree():
    a = [float(i % 2) for i in range(200)]
    b = [1.0 if i < 6 else value for i, value in enumerate(a)]
    interval = bootstrap_difference(a, b)
    assert 0 <= interval.low < 3 / 200 < interval.high < 0.04
    assert bootstrap_difference(b, a) == pytest.approx((-interval.high, -interval.low), abs=0.006)
    with pytest.raises(ValueError, match="shorter"):
        bootstrap_difference([1.0, 0.0], [1.0])


def mcnemar_by_sum(a_only, b_only):
    n = a_only + b_only
    probabilities = [Fraction(math.comb(n, i), 2**n) for i in range(n + 1)]
    return float(min(Fraction(1), 2 * sum(probabilities[: min(a_only, b_only) + 1])))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_twice_the_smaller_binomial_tail(a_only, b_only):
    assert mcnemar_exact(a_only, b_only) == pytest.approx(mcnemar_by_sum(a_only, b_only), rel=1e-12)
    assert mcnemar_exact(a_only, b_only) == mcnemar_exact(b_only, a_only)


def test_mcnemar_known_values():
    assert mcnemar_exact(0, 0) == 1
    assert mcnemar_exact(0, 5) == 0.0625
    assert mcnemar_exact(1, 9) == pytest.approx(22 / 1024)
    assert mcnemar_exact(3000, 3000) == 1
    assert 0 < mcnemar_exact(2000, 3000) < 1e-40
