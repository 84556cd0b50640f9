"""Rules of C#."""

from __future__ import annotations

from corpus.filters import others
from corpus.filters.base import Rule

RULES: tuple[Rule, ...] = (
    *others.RULES,
    Rule(signal="qsc_codecsharp_cate_var_zero", equal=1),
    Rule(signal="qsc_codecsharp_frac_lines_func_ratio", above=0.2),
    Rule(signal="qsc_codecsharp_score_lines_no_logic", above=0.5, chance=0.8),
    Rule(signal="qsc_codecsharp_frac_lines_print", above=0.4),
)
