"""Rules of Go."""

from __future__ import annotations

from corpus.filters import others
from corpus.filters.base import Rule, without

RULES: tuple[Rule, ...] = (
    *without(others.RULES, "qsc_code_frac_lines_assert"),
    Rule(signal="qsc_codego_cate_testfile", equal=1, chance=0.8),
    Rule(signal="qsc_codego_cate_var_zero", equal=1),
    Rule(signal="qsc_codego_frac_lines_func_ratio", above=0.2),
    Rule(signal="qsc_codego_score_lines_no_logic", above=0.5, chance=0.8),
    Rule(signal="qsc_codego_frac_lines_print", above=0.4),
)
