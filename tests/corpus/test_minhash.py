"""Shingles and signatures: datasketch as the oracle bit for bit, numpy and numba alike."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import kernels_numba, kernels_numpy
from corpus.dedup.kernels import Kernels
from corpus.dedup.minhash import BandHasher, parameters
from corpus.dedup.profiles import PROFILES, Profile, Shingle, choose_profile
from corpus.dedup.shingles import jaccard, shingle_hashes
from opencoder.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
KERNELS = [pytest.param(kernels_numba, id="numba"), pytest.param(kernels_numpy, id="numpy")]
ODD = [
    b"",
    b" \n\t +-*/ ",
    b"one",
    b"one two three four",
    b"one two three four five",
    b" one,two;three.four(five)six ",
    b"\x00a\x00b\x00\x00c d e f\x00",
    b"\xff\xfe bad \x80\x80 utf8 \xc3 here \xe4\xb8",
    "ein zwei drei vier fünf sechs 中文 字符 テスト 😀 x".encode(),
    b"\x80\x80\x80",
    b"a b c d e " * 500,
    b"x" * 10_000,
]


def murmur3(data: bytes) -> int:
    """MurmurHash3_x86_32, seed 0, written from its definition."""

    def scramble(k: int) -> int:
        k = k * 0xCC9E2D51 % 2**32
        return (k << 15 | k >> 17) % 2**32 * 0x1B873593 % 2**32

    h, whole = 0, len(data) // 4 * 4
    for i in range(0, whole, 4):
        h ^= scramble(int.from_bytes(data[i : i + 4], "little"))
        h = ((h << 13 | h >> 19) % 2**32 * 5 + 0xE6546B64) % 2**32
    if rest := data[whole:]:
        h ^= scramble(int.from_bytes(rest, "little"))
    h ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ h >> shift) * factor % 2**32
    return h ^ h >> 16


def plain_shingles(data: bytes, shingle: Shingle) -> set[bytes]:
    """The shingles themselves, by regular expressions."""
    if shingle == "word5":
        parts, glue = re.findall(rb"[A-Za-z0-9_\x80-\xff]+", data), b" "
    else:
        parts, glue = re.findall(rb"(?s)(?:\A[\x80-\xbf]|[^\x80-\xbf])[\x80-\xbf]*", data), b""
    return {glue.join(parts[i : i + 5]) for i in range(max(1, len(parts) - 4))} if parts else set()


def check(data: bytes, shingle: Shingle, kernels: Kernels) -> None:
    """Compare hashes, lanes and keys with datasketch's."""
    profile = Profile(name="custom", shingle=shingle, num_perm=2048, bands=128, rows=16)
    hasher = BandHasher(profile, kernels=kernels)
    texts = plain_shingles(data, shingle)
    hashes = hasher.shingles(data)
    assert hashes.tolist() == sorted({murmur3(text) for text in texts})
    oracle = MinHash(num_perm=2048, scheme="affine32", hashfunc=murmur3)
    oracle.update_batch(texts)
    lanes = hasher.signature(hashes)
    assert lanes.dtype == oracle.hashvalues.dtype
    assert np.array_equal(lanes, oracle.hashvalues)


@pytest.mark.parametrize(
    ("text", "expected"),
    # Vectors that are given for this hash in many places.
    [(b"", 0), (b"test", 0xBA6BD213), (b"Hello, world!", 0xC0363E43)],
)
def test_reference_hash(text: bytes, expected: int) -> None:
    assert murmur3(text) == expected


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("shingle", ["word5", "char5"])
@pytest.mark.parametrize("data", ODD, ids=range(len(ODD)))
def test_odd_files_equal_datasketch(data: bytes, shingle: Shingle, kernels: Kernels) -> None:
    check(data, shingle, kernels)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("shingle", ["word5", "char5"])
def test_real_files_equal_datasketch(shingle: Shingle, kernels: Kernels) -> None:
    for path in sorted((ROOT / "opencoder").glob("*.py"))[:4]:
        check(path.read_bytes(), shingle, kernels)


@given(data=st.binary(max_size=300), shingle=st.sampled_from(["word5", "char5"]))
@settings(deadline=None, max_examples=200)
def test_numpy_equals_numba(data: bytes, shingle: Shingle) -> None:
    profile = choose_profile("stack", shingle=shingle)
    one, other = BandHasher(profile, kernels=kernels_numba), BandHasher(profile, kernels=kernels_numpy)
    assert np.array_equal(one.shingles(data), other.shingles(data))
    keys, expected = one.keys(data), other.keys(data)
    assert (keys is None) == (expected is None) == (not plain_shingles(data, shingle))
    if keys is not None and expected is not None:
        assert np.array_equal(keys, expected)


@given(text=st.text(max_size=60))
def test_characters_are_code_points(text: str) -> None:
    expected = {text[i : i + 5].encode() for i in range(max(1, len(text) - 4))} if text else set()
    assert shingle_hashes(text.encode(), "char5").tolist() == sorted(map(murmur3, expected))


@pytest.mark.parametrize("kernels", KERNELS)
def test_more_shingles_than_a_block(kernels: Kernels) -> None:
    hashes = np.unique(np.random.RandomState(3).randint(0, 2**32, 9000, dtype=np.uint32))
    a, b = parameters(64)
    oracle = MinHash(num_perm=64, scheme="affine32", hashfunc=int)
    oracle.update_batch(hashes.tolist())
    assert np.array_equal(kernels.signature(hashes, a, b), oracle.hashvalues)


def test_keys_tell_bands_apart() -> None:
    lanes = np.arange(64, dtype=np.uint32)
    other = lanes.copy()
    other[17] += 1
    keys, others = kernels_numba.band_keys(lanes, 8, 8), kernels_numba.band_keys(other, 8, 8)
    assert (keys != others).tolist() == [band == 2 for band in range(8)]


def test_profiles() -> None:
    shape = {
        name: (profile.bands, profile.rows, round(profile.threshold, 3)) for name, profile in PROFILES.items()
    }
    assert shape == {"paper": (16, 128, 0.979), "near": (128, 16, 0.738), "stack": (25, 10, 0.725)}
    assert PROFILES["paper"].chance(0.95) == pytest.approx(0.022, abs=0.001)
    assert choose_profile("near", bands=128).name == "near"
    assert choose_profile("near", shingle="char5").name == "custom"
    assert choose_profile("stack", bands=100, rows=10).num_perm == 1000


@pytest.mark.parametrize(
    "wrong", [{"bands": 0}, {"rows": -1}, {"num_perm": 8}, {"bands": 65536, "rows": 65536}, {"num_perm": 0}]
)
def test_impossible_profiles(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError):
        choose_profile("paper", **wrong)  # type: ignore[arg-type]


def test_jaccard() -> None:
    left, right = (np.array(values, np.uint32) for values in ([1, 2, 3, 4], [3, 4, 5, 6]))
    assert jaccard(left, right) == pytest.approx(1 / 3)
    assert jaccard(left, left) == jaccard(left[:0], left[:0]) == 1
    assert jaccard(left, left[:0]) == 0
