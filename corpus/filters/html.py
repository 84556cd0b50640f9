"""Rules of HTML: less repetition, and enough text between the tags."""

from __future__ import annotations

from corpus.filters import others
from corpus.filters.base import Rule, replaced, without

RULES: tuple[Rule, ...] = (
    *replaced(
        without(
            others.RULES,
            "qsc_code_frac_chars_comments",
            "qsc_code_frac_lines_long_string",
            "qsc_code_frac_chars_string_length",
            "qsc_code_frac_chars_long_word_length",
            "qsc_code_frac_lines_prompt_comments",
            "qsc_code_frac_lines_assert",
        ),
        *(Rule(signal=f"qsc_code_frac_chars_dupe_{n}grams", above=0.60) for n in range(5, 11)),
    ),
    Rule(signal="qsc_codehtml_cate_ast", equal=0),
    Rule(signal="qsc_codehtml_frac_words_text", below=0.2),
    Rule(signal="qsc_codehtml_num_chars_text", below=100),
)
