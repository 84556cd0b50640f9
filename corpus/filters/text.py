"""Rules of prose, in Chinese and in every other language."""

from __future__ import annotations

from corpus.filters.base import Rule

_COMMON: tuple[Rule, ...] = (
    Rule(signal="qsc_doc_frac_chars_replacement_symbols", above=0.01),
    Rule(signal="qsc_doc_entropy_unigram", below=3),
    Rule(signal="qsc_doc_frac_chars_top_2grams", above=0.20),
    Rule(signal="qsc_doc_frac_chars_top_3grams", above=0.18),
    Rule(signal="qsc_doc_frac_chars_top_4grams", above=0.16),
    *(Rule(signal=f"qsc_doc_frac_chars_dupe_{n}grams", above=0.60) for n in range(5, 11)),
    Rule(signal="qsc_doc_frac_chars_dupe_lines", above=0.50),
    Rule(signal="qsc_doc_frac_lines_dupe_lines", above=0.60),
    Rule(signal="qsc_doc_frac_lines_start_with_bullet", above=0.9),
    Rule(signal="qsc_doc_num_chars", below=50),
    Rule(signal="qsc_doc_num_lines", below=10),
    Rule(signal="qsc_doc_num_sentences", equal=1),
    Rule(signal="qsc_doc_num_words", below=50),
    Rule(signal="qsc_doc_frac_chars_hex_words", above=0.4),
    Rule(signal="qsc_doc_frac_chars_hyperlink_html_tag", above=0.5),
    Rule(signal="qsc_doc_frac_chars_alphabet", below=0.5),
    Rule(signal="qsc_doc_frac_chars_digital", above=0.2),
    Rule(signal="qsc_doc_frac_chars_whitespace", above=0.5),
)
ENGLISH: tuple[Rule, ...] = (
    *_COMMON,
    Rule(signal="qsc_doc_frac_lines_end_with_readmore", above=0.1),
    Rule(signal="qsc_doc_frac_words_all_caps", above=0.5),
    Rule(signal="qsc_doc_mean_word_length", below=3, above=10),
)
CHINESE: tuple[Rule, ...] = (
    *_COMMON,
    Rule(signal="qsc_doc_frac_lines_end_with_readmore", above=0.3),
    Rule(signal="qsc_doc_frac_words_full_bracket", above=0.1),
    Rule(signal="qsc_doc_mean_word_length", below=1.3, above=10),
)
