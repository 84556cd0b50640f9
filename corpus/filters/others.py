"""Rules of a programming language without rules of its own; the other sets of programs are made from these.

Thresholds of all sets are those of the released filter (OpenCoder-llm/opc_data_filtering).
"""

from __future__ import annotations

from corpus.filters.base import Rule

RULES: tuple[Rule, ...] = (
    Rule(signal="qsc_code_frac_chars_replacement_symbols", above=0.01),
    Rule(signal="qsc_code_num_words", below=30),
    Rule(signal="qsc_code_num_chars", below=50),
    Rule(signal="qsc_code_mean_word_length", below=2, above=10),
    Rule(signal="qsc_code_frac_chars_top_2grams", above=0.20),
    Rule(signal="qsc_code_frac_chars_top_3grams", above=0.18),
    Rule(signal="qsc_code_frac_chars_top_4grams", above=0.16),
    Rule(signal="qsc_code_frac_chars_dupe_5grams", above=0.80),
    *(Rule(signal=f"qsc_code_frac_chars_dupe_{n}grams", above=0.70) for n in range(6, 10)),
    Rule(signal="qsc_code_frac_chars_dupe_10grams", above=0.60),
    Rule(signal="qsc_code_frac_lines_dupe_lines", above=0.7),
    Rule(signal="qsc_code_size_file_byte", above=3_000_000),
    Rule(signal="qsc_code_num_lines", below=10, above=100_000),
    Rule(signal="qsc_code_num_chars_line_max", above=1000),
    Rule(signal="qsc_code_num_chars_line_mean", below=5, above=100),
    Rule(signal="qsc_code_frac_chars_alphabet", below=0.5),
    Rule(signal="qsc_code_frac_chars_digital", above=0.2),
    Rule(signal="qsc_code_frac_chars_whitespace", above=0.5),
    Rule(signal="qsc_code_frac_chars_comments", above=0.8),
    Rule(signal="qsc_code_cate_xml_start", equal=1),
    Rule(signal="qsc_code_cate_autogen", equal=1),
    Rule(signal="qsc_code_frac_lines_long_string", above=0.2),
    Rule(signal="qsc_code_frac_chars_string_length", above=0.6),
    Rule(signal="qsc_code_frac_chars_long_word_length", above=0.4),
    Rule(signal="qsc_code_cate_encoded_data", equal=1),
    Rule(signal="qsc_code_frac_chars_hex_words", above=0.4),
    Rule(signal="qsc_code_frac_lines_prompt_comments", above=0.01),
    Rule(signal="qsc_code_frac_lines_assert", above=0.4),
)
