import collections
import enum
import hashlib
import json
import marshal
import math
import typing

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sandbox.guard import plain
from sandbox.guard.plain import NotPlain, decode, encode, seal, simplify

keys = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
)
hashable = keys | st.tuples(keys, keys) | st.frozensets(keys, max_size=4)
values = st.recursive(
    hashable | st.sets(hashable, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)


def same(left, right):
    """Equal by value and by exact type all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left == right and {repr(key) for key in left} == {repr(key) for key in right}
    if isinstance(left, float):
        return (left, math.copysign(1, left)) == (right, math.copysign(1, right))
    return left == right


def tagged(value):
    """Whether a dict in ``value`` looks like the sign for something that is no plain data."""
    if isinstance(value, dict):
        tags = ("\0handle", "\0iterator", "\0deque", "\0range")
        return any(key in tags for key in value) or any(map(tagged, value.values()))
    return isinstance(value, (list, tuple)) and any(map(tagged, value))


@given(values)
@example([[], (), {}, set(), frozenset(), b"", "", -0.0, 2**100, -(2**100), 1j, float("inf")])
@example("\ud800\0é")
@example({0: False, 1.5: True, None: [None]})
def test_what_is_written_is_read_back(value):
    assume(not tagged(value))
    assert same(decode(encode(value)), value)


@given(st.integers())
def test_long_integers_are_read_back(number):
    for value in (number, number << 15, number << 200, 3**2000 + number, -(number << 30)):
        assert decode(encode(value)) == value


def test_nan_is_read_back():
    assert math.isnan(decode(encode(float("nan"))))


def is_plain(value):
    if isinstance(value, (plain.Handle, collections.deque, range)):
        return True
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(map(is_plain, (*value, *value.values())))
    iterator = type(iter([]))
    return type(value) in (type(None), bool, int, float, complex, str, bytes, iterator)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_random_bytes_are_plain_data_or_refused(data):
    try:
        value = decode(data)
    except NotPlain:
        return
    assert is_plain(value)


@settings(max_examples=300)
@given(st.data())
def test_damaged_data_is_plain_data_or_refused(data):
    """Closer to the format than random bytes: a right encoding with a few bytes changed or cut off."""
    raw = bytearray(encode(data.draw(values)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(
            st.sampled_from(b"NTFilgysu([<>{0\xff\x00\x01")
        )
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        value = decode(bytes(raw))
    except NotPlain:
        return
    assert is_plain(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0",
        b"c",  # a code object
        b"r\0\0\0\0",
        b"R\0\0\0\0",
        b"t\x01\0\0\0a",
        b"\xe9\x01\0\0\0",
        b"N" * 2,
        b"i\0\0",
        b"[\xff\xff\xff\xff",
        b"[\xff\xff\xff\x7f",
        b"s\xff\xff\xff\x7f",
        b"u\x01\0\0\0\xff",
        b"l\xff\xff\xff\x7f",
        b"<\x01\0\0\0[\0\0\0\0",
        b"{[\0\0\0\0N0",
        b"{NN",
        b"[\x01\0\0\0" * 100_000,
        b"(\x01\0\0\0" * 600 + b"N",
        b"{" * 5000,
        b"{u\x06\0\0\0\0range[\x03\0\0\0NNN0",
    ],
)
def test_hostile_bytes_are_refused(data):
    with pytest.raises(NotPlain):
        decode(data)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_deep_nesting_is_refused_and_never_fatal():
    assert decode(encode(nested(50))) == nested(50)
    for depth in (1000, 5000, 100_000):
        try:
            value = decode(encode(nested(depth)))
        except NotPlain:
            continue
        assert is_plain(value) or depth > 100


class Equal(list):
    def __eq__(self, other):
        return True

    __hash__ = None


class Colour(enum.IntEnum):
    RED = 1


class Point(typing.NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "comes_as"),
    [
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (Point(1, 2), (1, 2)),
        (Colour.RED, 1),
        (bytearray(b"x"), b"x"),
        (range(1, 9, 2), range(1, 9, 2)),
        (collections.deque([1, (2,)]), collections.deque([1, (2,)])),
        ([Point(1, Colour.RED)], [(1, 1)]),
    ],
)
def test_what_python_would_call_equal_comes_as_its_base(value, comes_as):
    got = decode(encode(value))
    assert got == comes_as
    assert type(got) is type(comes_as)


@pytest.mark.parametrize(
    "value", [(i for i in (1, 2)), iter([1, 2]), map(int, "12"), zip([1, 2]), {1: 0, 2: 0}.keys()]
)
def test_iterators_are_spent_into_iterators(value):
    assert [item if isinstance(item, int) else item[0] for item in decode(encode(value))] == [1, 2]


def test_numpy_numbers_are_numbers_and_arrays_are_no_lists():
    np = pytest.importorskip("numpy")
    assert simplify(np.float64(1.5)) == 1.5
    assert type(simplify(np.float64(1.5))) is float
    assert same(simplify([np.int32(3), np.bool_(True), (np.float32(0.5),)]), [3, True, (0.5,)])
    assert simplify(np.array([1, 2])) != [1, 2]


@pytest.mark.parametrize("value", [object(), Equal([1]), len, Equal, (1).__add__, {1: object()}])
def test_foreign_objects_equal_nothing(value):
    got = decode(encode(value))
    assert got != value
    assert got != decode(encode(value))
    assert is_plain(got)


def test_handles_are_numbered_by_whoever_keeps_the_objects():
    kept = []

    def keep(value):
        kept.append(value)
        return len(kept)

    one, two = object(), Equal()
    got = decode(encode([one, {"k": two}, 3], keep))
    assert (got[0].number, got[1]["k"].number, got[2]) == (1, 2, 3)
    assert kept == [one, two]
    assert got[0].type_name == "object"


def test_a_value_that_holds_itself_is_refused_or_cut():
    loop = []
    loop.append(loop)
    try:
        assert is_plain(decode(encode(loop)))
    except NotPlain:
        pass


@given(values)
def test_seals_of_equal_values_are_equal(value):
    assume(not tagged(value))
    assert seal(value) == seal(decode(encode(value))) or isinstance(
        value, (set, frozenset, dict, list, tuple)
    )
    assert len(seal(value)) <= plain.INLINE_BYTES
    data = encode(value)
    if len(data) <= plain.INLINE_BYTES:
        assert seal(value) == data


@pytest.mark.parametrize("make", [list, tuple])
@pytest.mark.parametrize("num", [0, 1, 500, 4096, 4097, 9000])
def test_seals_of_lists_of_any_length(make, num):
    value = make(range(num))
    assert seal(value) == seal(decode(encode(value)))
    assert seal(value) != seal(make(range(num + 1)))
    if num:
        assert seal(value) != seal((tuple if make is list else list)(value))
        assert seal(value) != seal(make([*range(num - 1), -1]))
        assert seal(value) != seal(make(map(float, range(num))))
    if num >= 4096:
        assert len(seal(value)) == 1 + plain.DIGEST_BYTES
        assert seal(value)[:1] == plain.DIGEST_MARK


def test_a_long_seal_is_a_digest_of_the_encoding():
    value = b"x" * 10_000
    digest = hashlib.sha256(marshal.dumps(value, plain.VERSION)).digest()
    assert seal(value) == plain.DIGEST_MARK + digest[: plain.DIGEST_BYTES]


@pytest.mark.parametrize("unit", ["x", "é", "\ud800", "\0"])
def test_long_texts_are_sealed_by_content(unit):
    value = unit * 10_000
    assert seal(value) == seal("".join([unit] * 10_000))
    assert len(seal(value)) == 1 + plain.DIGEST_BYTES
    assert seal(value) != seal(value[:-1] + "y")
    assert seal(value) != seal([value])
    assert seal(value) != seal(value.encode("utf-8", "surrogatepass"))


def test_no_short_value_starts_like_a_digest():
    for value in (None, True, 0, 1.0, 1j, "#", b"#", [], (), set(), frozenset(), {}, json):
        assert seal(value)[:1] != plain.DIGEST_MARK
