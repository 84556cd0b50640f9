"""When an answer that is not equal to the expected one is right all the same (EvalPlus' rules).

Source: evalplus 0.3.1 and main, ``eval/__init__.py`` and ``eval/_special_oracle.py``: equality first; a float
or a non-empty list or tuple of floats sets the task's tolerance to 1e-6 from there on; with a tolerance,
types and lengths must agree and every number must lie within ``atol + 1e-7 * |expected|``. Some tasks have
an oracle of their own. Answers are plain data here (``sandbox.guard.plain``), never objects of the tested
process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

RTOL = 1e-7
FLOAT_ATOL = 1e-6

Answer = Any
Oracle = Callable[[Answer, Answer, Sequence[Any], float], bool]
"""``oracle(answer, expected, arguments, atol)``: whether a task's own rule accepts the answer."""


def is_floats(value: object) -> bool:
    """Tell whether ``value`` is a float or a non-empty list or tuple of nothing but floats."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def allclose(answer: Answer, expected: Answer, atol: float) -> bool:
    """Compare numbers, or nested lists of numbers of one shape, within ``atol + RTOL * |expected|``."""
    if isinstance(expected, (list, tuple)) or isinstance(answer, (list, tuple)):
        if not isinstance(expected, (list, tuple)) or not isinstance(answer, (list, tuple)):
            return False
        pairs = zip(answer, expected, strict=False)
        return len(answer) == len(expected) and all(allclose(a, e, atol) for a, e in pairs)
    if not isinstance(answer, (int, float, complex)) or not isinstance(expected, (int, float, complex)):
        return False
    try:
        if answer == expected:  # equal infinities
            return True
        if not math.isfinite(abs(expected)) or not math.isfinite(abs(answer)):
            return False
        return abs(answer - expected) <= atol + RTOL * abs(expected)
    except OverflowError:
        return False


def polynomial(coefficients: Sequence[float], x: float) -> float:
    """Evaluate ``sum(coefficients[i] * x**i)``."""
    return sum(value * math.pow(x, power) for power, value in enumerate(coefficients))


def _find_zero(answer: Answer, expected: Answer, arguments: Sequence[Any], atol: float) -> bool:
    return abs(polynomial(arguments[0], answer)) <= atol


def _sum_div(answer: Answer, expected: Answer, arguments: Sequence[Any], atol: float) -> bool:
    return bool(answer == expected or answer == 0)


def _surface_area(answer: Answer, expected: Answer, arguments: Sequence[Any], atol: float) -> bool:
    """Mbpp/581 also takes the height for the distance from the base's centre to the apex."""
    edge, height = arguments
    slant = math.sqrt((edge / 2) ** 2 + height**2)
    return bool(answer == expected or abs(answer - round(edge**2 + 2 * edge * slant)) <= atol)


def _digit_distance(answer: Answer, expected: Answer, arguments: Sequence[Any], atol: float) -> bool:
    """Mbpp/558 also pads the shorter number with zeros."""
    left, right = (str(number) for number in arguments)
    width = max(len(left), len(right))
    pairs = zip(left.zfill(width), right.zfill(width), strict=True)
    return bool(answer == expected or answer == sum(abs(int(a) - int(b)) for a, b in pairs))


def _set_equal(answer: Answer, expected: Answer, arguments: Sequence[Any], atol: float) -> bool:
    return set(answer) == set(expected)


def _not_none(answer: Answer, expected: Answer, arguments: Sequence[Any], atol: float) -> bool:
    """The reference gives a match object; what counts is whether there is one."""
    found = expected is not None
    return (answer is found) if isinstance(answer, bool) else found == (answer is not None)


def _always(answer: Answer, expected: Answer, arguments: Sequence[Any], atol: float) -> bool:
    return True


ORACLES: dict[str, Oracle] = {
    "find_zero": _find_zero,
    "sum_div": _sum_div,
    "surface_area": _surface_area,
    "digit_distance": _digit_distance,
    "set_equal": _set_equal,
    "not_none": _not_none,
    "always": _always,
}

# The rules whose word is final; the others are followed by the tolerance.
_FINAL = frozenset({"find_zero", "not_none"})


@dataclass(frozen=True, slots=True)
class Rule:
    """How the answers of one suite are compared.

    Args:
        kind: A name of ``ORACLES``, or ``plain``.
        atol: The task's own tolerance; 0 for none.
        first_float: Index of the first expected answer that is floats, None when there is none.
        arguments: Returns the arguments of a call, for the oracles that need them.
    """

    kind: str
    atol: float
    first_float: int | None
    arguments: Callable[[int], Sequence[Any]]

    def __call__(self, index: int, answer: Answer, expected: Answer) -> bool:
        """Return whether ``answer`` to call ``index`` is right."""
        try:
            return self._accepts(index, answer, expected)
        except (TypeError, ValueError, ArithmeticError, RecursionError):
            return False  # the original scorers count an error in the comparison as a failure, too

    def _accepts(self, index: int, answer: Answer, expected: Answer) -> bool:
        oracle = ORACLES.get(self.kind)
        if oracle is None:
            exact = bool(answer == expected)
        else:
            exact = oracle(answer, expected, self.arguments(index), self.atol)
        if exact or self.kind in _FINAL:
            return exact
        atol = self.atol
        if atol == 0 and self.first_float is not None and index >= self.first_float:
            atol = FLOAT_ATOL
        if atol == 0 or type(answer) is not type(expected):
            return False
        return allclose(answer, expected, atol)
