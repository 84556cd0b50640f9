"""Rules of Python."""

from __future__ import annotations

from corpus.filters import others
from corpus.filters.base import Rule

RULES: tuple[Rule, ...] = (
    *others.RULES,
    Rule(signal="qsc_codepython_cate_ast", equal=0),
    Rule(signal="qsc_codepython_frac_lines_func_ratio", above=0.2),
    Rule(signal="qsc_codepython_cate_var_zero", equal=1),
    Rule(signal="qsc_codepython_frac_lines_pass", above=0.05),
    Rule(signal="qsc_codepython_frac_lines_import", above=0.3),
    Rule(signal="qsc_codepython_frac_lines_simplefunc", above=0.1),
    Rule(signal="qsc_codepython_score_lines_no_logic", above=0.5, chance=0.8),
    Rule(signal="qsc_codepython_frac_lines_print", above=0.4),
)
