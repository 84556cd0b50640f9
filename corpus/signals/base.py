"""What a signal is, and how all signals of a file are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from corpus.signals.source import Source
from opencoder.errors import DependencyError

Value = float | int | bool | None
Signal = Callable[[Source], Value]
Signals = Mapping[str, Signal]


class Measured(NamedTuple):
    """Values of a file's signals, and one line for each that failed."""

    values: dict[str, Value]
    errors: dict[str, str]


def measure(source: Source, signals: Signals, *, isolate: bool) -> Measured:
    """Compute ``signals`` in their order.

    Args:
        source: The file.
        signals: Functions by name.
        isolate: A failing signal is null, and the next is computed. Otherwise it is null as well, but the
            rest of its group, for all programs or for one language, is missing, as in the original rules.

    Raises:
        DependencyError: A package is missing.
        MemoryError: There is no more memory. A null here would make the outcome depend on the machine.
    """
    values: dict[str, Value] = {}
    errors: dict[str, str] = {}
    ended: str | None = None
    for name, function in signals.items():
        if group_of(name) == ended:
            continue
        try:
            values[name] = function(source)
        except (DependencyError, MemoryError):
            raise  # says something of the machine, not of the file
        except Exception as error:  # noqa: BLE001 - whatever a parser of foreign text raises is its signal's error
            errors[name] = f"{type(error).__name__}: {error}"
            values[name] = None
            ended = None if isolate else group_of(name)
    return Measured(values, errors)


def group_of(name: str) -> str:
    """``qsc_code`` of ``qsc_code_num_words``, ``qsc_codego`` of ``qsc_codego_cate_testfile``."""
    return "_".join(name.split("_")[:2])


def described(meaning: str, function: Signal) -> Signal:
    """``function`` with ``meaning`` for its docstring, which the table of rules shows."""
    function.__doc__ = meaning
    return function


def without(signals: Signals, *names: str) -> Signals:
    """``signals`` except those whose names end so."""
    return {name: function for name, function in signals.items() if not name.endswith(names)}


def share(part: float, whole: float, empty: float | None = None) -> float | None:
    """``part / whole`` to eight decimals, or ``empty`` where there is no whole."""
    return round(part / whole, 8) if whole else empty


def lines_with(source: Source, *words: str) -> float | None:
    """Share of code lines that hold any of ``words``."""
    return share(count_lines(source.parts.code, words), source.num_code_lines)


def count_lines(text: str, words: Sequence[str]) -> int:
    """Lines of ``text`` that hold any of ``words``."""
    if not any(word in text for word in words):
        return 0
    return sum(any(word in line for word in words) for line in text.split("\n"))
