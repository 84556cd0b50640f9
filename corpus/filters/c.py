"""Rules of C and C++."""

from __future__ import annotations

from corpus.filters import others
from corpus.filters.base import Rule


def _rules(prefix: str) -> tuple[Rule, ...]:
    return (
        *others.RULES,
        Rule(signal=f"{prefix}_frac_lines_func_ratio", above=0.2),
        Rule(signal=f"{prefix}_nums_lines_main", above=1),
        Rule(signal=f"{prefix}_score_lines_no_logic", above=0.5, chance=0.8),
        Rule(signal=f"{prefix}_frac_lines_print", above=0.4),
        Rule(signal=f"{prefix}_frac_lines_preprocessor_directives", above=0.8),
    )


C = _rules("qsc_codec")
CPP = _rules("qsc_codecpp")
