"""Rules of data files, which are short, varied, and have no strings to judge."""

from __future__ import annotations

from corpus.filters import others
from corpus.filters.base import Rule, replaced, without

RULES: tuple[Rule, ...] = (
    *replaced(
        without(
            others.RULES,
            "qsc_code_frac_lines_long_string",
            "qsc_code_frac_chars_string_length",
            "qsc_code_frac_lines_prompt_comments",
            "qsc_code_frac_lines_assert",
        ),
        Rule(signal="qsc_code_num_chars", below=50, above=5000),
    ),
    Rule(signal="qsc_code_frac_words_unique", below=0.4),
)
