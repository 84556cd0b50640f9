"""Requests: their keys, parts and seeds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencoder.errors import UserError
from opencoder.llm import Request, Sampling, row_seed
from opencoder.records import Message

REQUEST = Request(
    tag="HumanEval/0",
    messages=(Message("system", "Be brief."), Message("user", "Add.")),
    sampling=Sampling(temperature=0.8, n=4, seed=7, stop=("\n",)),
)


def test_key_is_pinned() -> None:
    """Stored runs are found by their keys: a change of this value makes all of them unreadable."""
    expected = "9e709c0c140f1855f918a034724a0a64067d908107d4832dd9f9b9a351a0160e"
    assert REQUEST.key("openai/a") == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": (Message("user", "Be brief."), Message("user", "Add."))},
        {"messages": (Message("system", "Be brief.Add."),)},
        {"messages": (), "prompt": "Add."},
        {"prefill": "Sure"},
        {"sample_id": 1},
        {"sampling": replace(REQUEST.sampling, temperature=0.7)},
        {"sampling": replace(REQUEST.sampling, top_p=0.9)},
        {"sampling": replace(REQUEST.sampling, max_tokens=9)},
        {"sampling": replace(REQUEST.sampling, n=5)},
        {"sampling": replace(REQUEST.sampling, seed=None)},
        {"sampling": replace(REQUEST.sampling, stop=())},
    ],
)
def test_key_follows_the_content(changes: dict[str, Any]) -> None:
    assert msgspec.structs.replace(REQUEST, **changes).key("m") != REQUEST.key("m")


def test_key_follows_the_model_and_nothing_else() -> None:
    assert REQUEST.key("m") != REQUEST.key("n")
    other = msgspec.structs.replace(REQUEST, tag="another", reference="whole program")
    assert other.key("m") == REQUEST.key("m")


def test_parts_cover_the_samples_with_seeds_of_their_own() -> None:
    parts = [REQUEST.part(0, 2), REQUEST.part(2, 1), REQUEST.part(3, 1)]
    assert [part.sample_id for part in parts] == [0, 2, 3]
    assert [part.sampling.n for part in parts] == [2, 1, 1]
    assert parts[0].sampling.seed == 7
    assert len({part.sampling.seed for part in parts}) == 3
    unseeded = msgspec.structs.replace(REQUEST, sampling=Sampling(n=4, temperature=1.0))
    assert unseeded.part(2, 2).sampling.seed is None


@given(st.integers(0, 2**63), st.text(), st.integers(0, 10_000))
def test_row_seed_fits_every_server(run_seed: int, tag: str, sample_id: int) -> None:
    seed = row_seed(run_seed, tag, sample_id)
    assert 0 <= seed < 2**31
    assert seed == row_seed(run_seed, tag, sample_id)


def test_row_seeds_are_far_apart() -> None:
    """Servers give sample i the seed s + i, so neighbours must not overlap."""
    seeds = sorted(row_seed(1, f"task/{task}", sample) for task in range(50) for sample in range(20))
    assert min(b - a for a, b in pairwise(seeds)) > 200
    assert row_seed(1, "a", 11) != row_seed(1, "a1", 1)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 0}, "n is 0"),
    ],
)
def test_bad_sampling_is_refused(values: dict[str, Any], word: str) -> None:
    with pytest.raises(UserError, match=word):
        Sampling(**values)
