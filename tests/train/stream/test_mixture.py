from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencoder.errors import UserError
from tests.support.token_shards import numbered, write_shards
from train.sequences import Ints
from train.stream.documents import DocumentStream
from train.stream.mixture import Mixture


class Numbers:
    """Sequences that hold nothing but their source and number."""

    def __init__(self, source: int, per_epoch: float = 10.0, seq_len: int = 2) -> None:
        self.source, self.per_epoch, self.seq_len = source, per_epoch, seq_len

    def fill(self, index: int, tokens: Ints, labels: Ints, positions: Ints) -> None:
        tokens[:] = self.source, index

    def counts(self, first: int, last: int) -> dict[str, int]:
        return {"tokens": (last - first) * self.seq_len}


def mixed(weights: list[float], key: int = 1) -> Mixture:
    sources = [Numbers(number) for number in range(len(weights))]
    return Mixture(sources, names=[f"s{number}" for number in range(len(weights))], weights=weights, key=key)


WEIGHTS = st.lists(st.floats(0.001, 1.0) | st.integers(1, 9).map(float), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(weights=WEIGHTS, first=st.sampled_from([0, 4090, 10**9 + 7]), key=st.integers(0, 2**64 - 1))
def test_every_source_has_its_share_after_any_number(weights: list[float], first: int, key: int) -> None:
    mixture = mixed(weights, key)
    taken = mixture.taken(first)
    assert sum(taken) == first
    slack = [1 + share * max(0, len(weights) - 2) for share in mixture.shares]
    for index in range(first, first + 1500):
        source, own = mixture.source_of(index)
        assert own == taken[source], "each source is read in its own order, without gaps"
        taken[source] += 1
        for num, share, most in zip(taken, mixture.shares, slack, strict=True):
            assert abs(num - share * (index + 1)) < most + 1e-5
    assert mixture.taken(first + 1500) == taken


def test_the_order_is_by_chance_and_by_seed() -> None:
    one, other = ([mixed([1.0, 1.0], key).source_of(index)[0] for index in range(64)] for key in (1, 2))
    assert one != other
    assert one not in ([0, 1] * 32, [1, 0] * 32)


def test_sequences_and_counts_are_those_of_the_sources(tmp_path: Path) -> None:
    streams = [
        DocumentStream(
            write_shards(tmp_path / str(number), [numbered([5, 9, 30], 1000 * number)]), seq_len=7, key=number
        )
        for number in range(2)
    ]
    mixture = Mixture(streams, names=["a", "b"], weights=[3, 1], key=0)
    assert mixture.per_epoch == streams[1].per_epoch * 4
    one, other = (np.empty((3, 7), dtype=np.int64) for _ in range(2))
    for index in range(40):
        source, own = mixture.source_of(index)
        mixture.fill(index, *one)
        streams[source].fill(own, *other)
        assert np.array_equal(one, other)
    counts = mixture.counts(10, 30)
    assert counts["tokens"] == 20 * 7
    assert counts["sequences a"] + counts["sequences b"] == 20
    taken = [(mixture.taken(10)[number], mixture.taken(30)[number]) for number in range(2)]
    parts = [stream.counts(*span) for stream, span in zip(streams, taken, strict=True)]
    assert counts["trained"] == parts[0]["trained"] + parts[1]["trained"]


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_that_is_none(weight: float) -> None:
    with pytest.raises(UserError, match="source s1: weight="):
        mixed([1.0, weight])


def test_sources_of_different_length() -> None:
    with pytest.raises(UserError, match="one length"):
        Mixture([Numbers(0), Numbers(1, seq_len=3)], names=["a", "b"], weights=[1, 1], key=0)
