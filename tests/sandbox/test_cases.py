import asyncio
import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cases import CaseSet, answer_frame, encode_inputs, exactly_equal
from sandbox.guard import plain, wire

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=6))
def test_frames_lie_one_behind_the_other(answers):
    cases = CaseSet.of([[]] * len(answers), answers)
    assert len(cases) == len(answers)
    frames = wire.Frames().feed(cases.expected)
    assert [wire.frame(*frame) for frame in frames] == [
        cases.expected_frame(index) for index in range(len(answers))
    ]
    for index, answer in enumerate(answers):
        assert cases.expected_frame(index) == answer_frame(answer)


@given(st.lists(st.lists(json_values, max_size=3), max_size=5))
def test_inputs_are_records_behind_their_lengths(inputs):
    data, out = encode_inputs(inputs), []
    while data:
        size = int.from_bytes(data[:4], "little")
        out.append(marshal.loads(data[4 : 4 + size]))  # noqa: S302 - written above
        data = data[4 + size :]
    assert out == inputs


def test_every_byte_belongs_to_an_answer():
    cases = CaseSet.of([[1], [2], [3]], [None, "long" * 10, 2])
    for position in range(len(cases.expected)):
        index = cases.index_at(position)
        assert cases.offsets[index] <= position < cases.offsets[index + 1]
    assert cases.index_at(len(cases.expected)) == 3
    assert CaseSet.of([], []).index_at(0) == 0


def test_limits_of_single_calls_go_before_the_common_one():
    cases = CaseSet.of([[1]], [1])
    assert cases.limit_s(0) is None
    timed = CaseSet(cases.payload, cases.expected, cases.offsets, cases.compare, 2.0, {1: 9.0})
    assert (timed.limit_s(0), timed.limit_s(1)) == (2.0, 9.0)


def test_a_long_answer_is_fetched_whole():
    long = list(range(5000))
    cases = CaseSet.of([[1], [2]], [long, 3])
    frames = wire.Frames().feed(cases.expected)
    assert frames[0][1][:1] == plain.DIGEST_MARK
    assert asyncio.run(cases.whole(0, frames[0][1])) == plain.encode(long)
    assert asyncio.run(cases.whole(1, frames[1][1])) == plain.encode(3)
    bare = CaseSet(cases.payload, cases.expected, cases.offsets, cases.compare)
    with pytest.raises(LookupError, match="answer 0 is kept as a digest only"):
        asyncio.run(bare.whole(0, frames[0][1]))


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        ([1], (1,), False),
        ("a", b"a", False),
        ({1, 2, 3}, {3, 2, 1}, True),
        ({1}, frozenset({1}), False),
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({1: "a"}, {True: "a"}, False),
        ([{"a", "b", "c"}], [{"c", "a", "b"}], True),
        ({frozenset({1, 2}): {3}}, {frozenset({2, 1}): {3}}, True),
        ([], None, False),
        ({1, 2}, ("set", "set", [1, 2]), False),
    ],
)
def test_values_are_equal_when_their_types_are_too(left, right, equal):
    assert exactly_equal(left, right) is equal


@given(json_values)
def test_a_value_equals_what_comes_back_of_it(value):
    assert exactly_equal(value, plain.decode(plain.encode(value)))


def test_an_answer_as_deep_as_can_be_read_can_be_compared():
    value, expected, deepest = [], CaseSet.of([[1]], [0]), 0
    for depth in range(1000):
        value = [value]
        try:
            answer = plain.decode(plain.encode(value))
        except plain.NotPlain:
            break
        assert not expected.compare(0, answer, 0)
        deepest = depth
    assert deepest > 100
