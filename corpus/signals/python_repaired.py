"""Signals of Python in the default mode, by a grammar that is named and forgives errors."""

from __future__ import annotations

from collections.abc import Callable

from corpus.signals import python
from corpus.signals.base import Signals, Value, count_lines, share
from corpus.signals.python_syntax import Facts
from corpus.signals.repaired import Repaired
from corpus.signals.source import Source


def _facts(source: Source) -> Facts | None:
    if not isinstance(source, Repaired):
        raise TypeError("these signals are of the default mode")
    return source.python


def cate_ast(source: Source) -> Value:
    """The file parses, Python 2 too."""
    return float(_facts(source) is not None)


def _per_line(count: Callable[[Source, Facts], int]) -> Callable[[Source], Value]:
    def signal(source: Source) -> Value:
        facts = _facts(source)
        return None if facts is None else share(count(source, facts), source.num_code_lines)

    return signal


def cate_var_zero(source: Source) -> Value:
    """Nothing is assigned to a name, looped over, or taken as an argument."""
    facts = _facts(source)
    return None if facts is None else not facts.has_variables


def frac_lines_simplefunc(source: Source) -> Value:
    """Functions that only return, per code line; the only share that is not rounded."""
    facts = _facts(source)
    if facts is None or not source.num_code_lines:
        return None
    return facts.num_simple_functions / source.num_code_lines


def _no_logic(source: Source, facts: Facts) -> int:
    imports = count_lines(source.code_lower, ("import",))
    returns = sum(1 for _ in python.RETURN.finditer(source.parts.code))
    return facts.num_functions + imports + facts.num_classes + facts.num_class_variables + returns


SIGNALS: Signals = {
    **python.SIGNALS,
    "qsc_codepython_cate_ast": cate_ast,
    "qsc_codepython_frac_lines_func_ratio": _per_line(lambda _, facts: facts.num_functions),
    "qsc_codepython_cate_var_zero": cate_var_zero,
    "qsc_codepython_frac_lines_simplefunc": frac_lines_simplefunc,
    "qsc_codepython_score_lines_no_logic": _per_line(_no_logic),
}
