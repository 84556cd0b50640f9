"""Weakened programs of the demo."""

from __future__ import annotations

import ast

import pytest

from eval.mutate import draw, weaken

PROGRAM = "def f(a, b):\n    if a < b and a in (1, 2):\n        return a + 1\n    return [b * 2]\n"


def test_one_change_and_always_the_same_for_a_seed() -> None:
    weakened = {weaken(PROGRAM, str(seed)) for seed in range(60)}
    assert len(weakened) > 5
    assert ast.unparse(ast.parse(PROGRAM)) + "\n" not in weakened
    for text in weakened:
        changed = [
            (old, new)
            for old, new in zip(ast.unparse(ast.parse(PROGRAM)).split("\n"), text.split("\n"), strict=False)
            if old != new
        ]
        assert len(changed) == 1, text
    assert weaken(PROGRAM, "7") == weaken(PROGRAM, "7")


@pytest.mark.parametrize("program", ["pass\n", "import os\n", "def f():\n    pass\n"])
def test_a_program_without_a_place_for_a_change_stays(program: str) -> None:
    assert weaken(program, "1") == program


def test_draws_are_even_and_repeatable() -> None:
    numbers = [draw("entry", index) for index in range(2000)]
    assert all(0 <= number < 1 for number in numbers)
    assert 0.45 < sum(numbers) / len(numbers) < 0.55
    assert draw("entry", 3) == numbers[3]
