"""Texts that repeat, in little memory."""

from __future__ import annotations

import hashlib
import random

from synth.near import NearIndex

WORDS = [f"word{i}" for i in range(500)]


def name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def text(seed: int, length: int = 80) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def changed(words: list[str], num: int, seed: int) -> list[str]:
    copy = list(words)
    for place in random.Random(seed).sample(range(len(words)), num):
        copy[place] = "changed"
    return copy


def test_equal_words_repeat_whatever_stands_between_them() -> None:
    index = NearIndex(1.0)
    assert index.add("Write a  function,\nplease", name(0)) is None
    assert index.add("write a function, please", name(1)) == name(0)
    assert index.add("write a function; please", name(2)) is None


def test_near_texts_repeat_and_others_do_not() -> None:
    index = NearIndex(0.8)
    originals = [text(seed) for seed in range(200)]
    assert [index.add(" ".join(one), name(i)) for i, one in enumerate(originals)] == [None] * 200
    # Two words of 80 changed leave about 72 of 84 shingles: similarity .86 and more.
    near = [index.add(" ".join(changed(one, 2, i)), name(1000 + i)) for i, one in enumerate(originals)]
    assert sum(found == name(i) for i, found in enumerate(near)) >= 150
    # Twenty words changed leave less than half of them.
    far = [index.add(" ".join(changed(one, 20, i)), name(2000 + i)) for i, one in enumerate(originals)]
    assert sum(found is not None for found in far) <= 2


def test_what_repeats_is_not_remembered() -> None:
    index = NearIndex(0.8)
    index.add(" ".join(text(1)), name(1))
    assert index.add(" ".join(text(1)), name(2)) == name(1)
    assert index.add(" ".join(text(1)), name(3)) == name(1)


def test_short_texts_repeat_by_their_words_only() -> None:
    index = NearIndex(0.5)
    assert index.add("add two numbers", name(1)) is None
    assert index.add("add two numbers now", name(2)) is None
    assert index.add("", name(3)) is None
    assert index.add("  ", name(4)) == name(3)
