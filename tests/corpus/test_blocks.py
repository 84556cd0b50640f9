"""Building blocks of the signals, with values worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from corpus.explain import explain
from corpus.languages.doc_type import Detected
from corpus.signals.doc import BULLETS
from corpus.signals.source import Source
from corpus.signals.vocabulary import Vocabulary
from corpus.text.lines import raw_lines
from corpus.text.marks import as_released
from corpus.text.normalise import normalise, normalise_line
from corpus.text.split import split_by_hand, split_perl
from corpus.text.words import plain_words

# jieba leaves the file of its dictionary open.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def code(text: str, language: str = "none", filename: str = "x") -> dict[str, Any]:
    """Signals of a program text; no language ``none`` has a lexer."""
    found = explain(text.encode(), filename, detected=Detected(language, "code"))
    return {name.removeprefix("qsc_code_"): value for name, value in found["signals"].items()}


def prose(text: str, filename: str = "x.txt") -> dict[str, Any]:
    found = explain(text.encode(), filename, detected=Detected("text", "text"))
    return {name.removeprefix("qsc_doc_"): value for name, value in found["signals"].items()}


def words(text: str) -> list[str]:
    """Normalised words, as cut for a natural language with blanks between words."""
    return plain_words(normalise(text))


def vocabulary(text: str) -> Vocabulary:
    return Vocabulary.of_words(text.split())


def test_the_most_frequent_ngram_is_the_first_seen_of_equals() -> None:
    # "a bb", "bb ccc" and "ccc d" occur twice each: 3, 5 and 4 characters; all words have 14.
    found = vocabulary("a bb ccc d a bb ccc d")
    assert found.top(2) == pytest.approx(2 * 3 / 14)
    assert found.top(3) == pytest.approx(2 * 6 / 14)
    assert found.top(4) == pytest.approx(2 * 7 / 14)


def test_overlapping_ngrams_count_again_and_pass_one() -> None:
    # Four words "x": "x x" at three places.
    found = vocabulary("x x x x")
    assert found.top(2) == 3 * 2 / 4
    assert found.top(3) == 2 * 3 / 4
    assert found.top(4) == 0  # only once


def test_words_in_repeated_ngrams_count_once() -> None:
    # "a b c d e" twice, with "zz" between and "f" behind the second: 10 of 13 characters.
    found = vocabulary("a b c d e zz a b c d e f")
    assert found.dupe(5) == pytest.approx(10 / 13)
    assert found.dupe(6) == 0
    # Six words "y": both 5-grams are one, and cover all.
    assert vocabulary("y y y y y y").dupe(5) == 1
    assert vocabulary("y y y y").dupe(5) == 0


def test_ngrams_cross_lines() -> None:
    assert prose("ab\ncd\nab\ncd\n")["frac_chars_top_2grams"] == 1


def test_words_are_runs_of_one_kind() -> None:
    assert words("snake_case(x+1) Don't") == ["snake", "case", "x", "1", "don", "t"]
    assert words("a→b ← 日本") == ["a", "→", "b", "←", "日本"]


def test_vowel_signs_of_kannada_split_words() -> None:
    # KA, VOWEL SIGN I, TA: the sign is no word character for Python's re.
    assert words("\u0c95\u0cbf\u0ca4") == ["\u0c95", "\u0cbf", "\u0ca4"]
    assert plain_words("\u0c95\u0cbf \u0c95") == ["\u0c95", "\u0cbf", "\u0c95"]


def test_normalise_deletes_controls_and_blanks_punctuation() -> None:
    assert normalise("\x00A\x07\x0eB\x1fC\u202c") == "abc"
    assert normalise("a\x0bb\x0cc\x1bd") == "a\x0bb\x0cc\x1bd"
    assert words("a\u2009b\u200bc") == ["a", "b", "c"]
    assert words("a,b。c「d」e！f“g”￥h") == ["a", "b", "c", "d", "e", "f", "g", "¥", "h"]
    assert words("ｆｕｌｌ ① ﬁ Ⅷ") == ["full", "1", "fi", "viii"]
    assert normalise_line("  A \t B\n") == "a b"
    # The compatibility form comes last, after punctuation: its dots are a word.
    assert words("wait…") == ["wait", "..."]


def test_lines_end_at_lf_only() -> None:
    assert raw_lines("a\x0cb\u2028c\x85d\x1ee\nf") == ["a\x0cb\u2028c\x85d\x1ee\n", "f"]
    assert raw_lines("\n\n") == ["\n", "\n"]
    assert raw_lines("") == []
    found = code("ab\n\ncdef")
    assert (found["num_lines"], found["num_chars_line_max"]) == (3, 4)
    assert found["num_chars_line_mean"] == pytest.approx(8 / 3, abs=1e-8)


def test_cr_ends_a_line_and_counts_on_disk_only() -> None:
    found = code("a\r\nb\rc\n")
    assert (found["num_lines"], found["num_chars"], found["size_file_byte"]) == (3, 6, 7)


@pytest.mark.parametrize(
    ("text", "inner", "long_pieces"),
    [
        ("'ab' + \"c\"", 3, 0),
        ("'''a'b'''", 3, 0),
        ('"a\nb"', 0, 0),  # a short quote ends on its line
        ('x """a\nb""" y', 3, 0),
        ("''", 0, 0),
        ("'''", 0, 0),  # an empty string and an open one
        ("'" + "w " * 21 + "'", 42, 1),
        ("'" + "w " * 20 + "'", 40, 0),
        ("'''" + "w " * 21 + "\n" + "w " * 21 + "'''", 85, 2),
    ],
)
def test_strings(text: str, inner: int, long_pieces: int) -> None:
    found = code(text)
    assert found["frac_chars_string_length"] == pytest.approx(inner / len(text), abs=1e-8)
    num_lines = text.count("\n") + 1
    assert found["frac_lines_long_string"] == pytest.approx(long_pieces / num_lines, abs=1e-8)


@pytest.mark.parametrize(
    ("inner", "length"),
    [
        ("k" * 20, 0),
        ("k" * 21, 21),
        ("k" * 21 + " " + "l" * 22, 43),
        ("https://" + "k" * 21, 0),
        ("k" * 21 + "http://x", 0),
        ("k" * 21 + "http://", 28),  # nothing follows: no URL
    ],
)
def test_long_words(inner: str, length: int) -> None:
    assert code(f"'{inner}'")["frac_chars_long_word_length"] == pytest.approx(
        length / (len(inner) + 2), abs=1e-8
    )


@pytest.mark.parametrize(
    ("line", "adds"),
    [
        ("x = 'a' + \"b\"", 1),
        ("x = 'a'+'b'", 1),
        ("x = '' + 'b'", 0),
        ("x = 'a' + ''", 0),
        ("x += 'a' + y", 0),
        ("f('a' + 'b')", 0),
    ],
)
def test_added_strings(line: str, adds: int) -> None:
    assert code(line)["frac_lines_string_concat"] == adds


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("A" * 64, 1),
        ("A" * 63, 0),
        ("A" * 64 + "-" * 64, 0),  # just half
        ("A" * 64 + "-" * 63, 1),
        ("A" * 1025 + "-" * 2000, 1),
        ("A" * 1024 + "-" * 2000, 0),
        ("0x41, " * 8, 0),  # a blank after a comma ends the run
        ("0x41," * 8, 1),
        ("41 " * 8, 1),
        ("41 " * 7, 0),
        ("\\x41" * 8, 0),  # no word ends between two of them
        ("\\u0041" * 8, 1),
        ("\\u0041" * 7, 0),
    ],
)
def test_encoded_data(text: str, encoded: int) -> None:
    assert code(text)["cate_encoded_data"] == encoded


def test_other_signals_of_code() -> None:
    found = code("0x1F + 0xAZ\nassert x\nASSERT(y)\nz\n")
    assert found["frac_chars_hex_words"] == pytest.approx(4 / 33, abs=1e-8)
    assert found["frac_lines_assert"] == 0.5
    assert code("// Do Not Edit\n")["cate_autogen"] == 1
    assert code(" " * 200 + "generate\n")["cate_autogen"] == 0
    assert code("x" * 90 + "<?xml version=")["cate_xml_start"] == 0
    assert code("x" * 86 + "<?xml version=")["cate_xml_start"] == 1
    # Two lines alike but for blanks, and brackets that do not count.
    assert code("a b\n ab\n}\n}\n},\n},\nc\nd\n")["frac_lines_dupe_lines"] == 0.25


def test_bullets() -> None:
    assert len(BULLETS) == len(set(BULLETS)) == 52
    found = prose("• a\n  ■ b\n- c\n* d\n")
    assert found["frac_lines_start_with_bullet"] == 0.5
    assert prose("a...\nb…】\nc 更多\nd\n")["frac_lines_end_with_readmore"] == 0.75


def test_other_signals_of_prose() -> None:
    found = prose("See (https://a.b/c) <b>NOW</b>. Or not?\n")
    assert found["frac_chars_hyperlink_html_tag"] == pytest.approx((15 + 3 + 4) / 40, abs=1e-8)
    assert prose("A b c. D e! F\n")["num_sentences"] == 3
    assert prose("A b\n")["num_chars_sentence_length_mean"] == 1.5
    assert prose("x\nx\nyyyy\n\n")["frac_lines_dupe_lines"] == pytest.approx(2 / 3, abs=1e-8)
    assert prose("x\nx\nyyyy\n\n")["frac_chars_dupe_lines"] == pytest.approx(2 / 6, abs=1e-8)
    assert prose("a b a b")["entropy_unigram"] == pytest.approx(0.69314718, abs=1e-8)
    assert prose("AB cd E")["frac_words_all_caps"] == pytest.approx(2 / 3, abs=1e-8)
    assert prose("x", "README.md")["cate_code_related_file_name"] == 1
    assert prose("x", "my-Requirements-dev.txt")["cate_code_related_file_name"] == 1
    assert prose("x", "readme2.md")["cate_code_related_file_name"] == 0


def test_chinese_is_counted_in_its_simplified_form() -> None:
    text = "更多資訊在後面\n詳細\n"
    source = Source(text, filename="x", size_bytes=1, language="text", natural_language="zh")
    assert "详细" in source.text
    found = prose(text)
    assert found["num_chars"] == len(text)
    assert found["frac_chars_alphabet"] is None
    assert found["frac_words_redpajama_stop"] is None
    assert found["frac_lines_end_with_readmore"] == 0.5


def test_japanese_is_cut_by_its_dictionary() -> None:
    found = prose("これはペンです。\n")
    # これ は ペン です: the full stop is a blank by then.
    assert (found["num_words"], found["mean_word_length"]) == (4, 1.75)


EMPTY_CODE = {
    "num_words": 0, "num_chars": 0, "mean_word_length": None, "frac_words_unique": None,
    "frac_chars_top_2grams": 0, "frac_chars_dupe_5grams": 0, "frac_chars_replacement_symbols": None,
    "frac_chars_digital": 1, "frac_chars_whitespace": 1, "num_lines": 0, "num_chars_line_max": 0,
    "num_chars_line_mean": 0, "frac_chars_alphabet": 0, "frac_chars_comments": None, "cate_xml_start": 0,
    "frac_lines_dupe_lines": None, "cate_autogen": 0, "frac_lines_long_string": None,
    "frac_chars_string_length": None, "frac_chars_long_word_length": None, "cate_encoded_data": 0,
    "frac_chars_hex_words": None, "frac_lines_prompt_comments": None, "frac_lines_assert": None,
}  # fmt: skip
EMPTY_PROSE = {
    "num_words": 0, "num_lines": 0, "num_sentences": 0, "entropy_unigram": None, "frac_words_all_caps": None,
    "frac_words_full_bracket": None, "frac_lines_dupe_lines": None, "frac_chars_dupe_lines": None,
    "frac_lines_end_with_readmore": None, "frac_lines_start_with_bullet": None,
    "frac_chars_hyperlink_html_tag": None, "frac_chars_alphabet": 0, "frac_chars_hex_words": None,
    "num_chars_sentence_length_mean": 0, "frac_chars_curly_bracket": 0, "frac_words_redpajama_stop": 0,
}  # fmt: skip


def test_empty_input() -> None:
    found = code("")
    assert {name: found[name] for name in EMPTY_CODE} == EMPTY_CODE
    found = prose("")
    assert {name: found[name] for name in EMPTY_PROSE} == EMPTY_PROSE


def test_nul_is_a_character_but_no_part_of_a_word() -> None:
    found = code("a\0b\0\n")
    assert (found["num_chars"], found["num_words"], found["mean_word_length"]) == (5, 1, 2)
    assert found["frac_chars_alphabet"] == 0.5


def test_a_line_of_a_megabyte() -> None:
    size = 1 << 20
    found = code("'" + "ab " * (size // 3) + "'")
    assert found["num_lines"] == 1
    assert found["num_words"] == size // 3
    # The two-word gram "ab ab" is at all places but the last.
    assert found["frac_chars_top_2grams"] == pytest.approx(2 * (size // 3 - 1) / (size // 3), abs=1e-8)
    assert found["frac_chars_dupe_10grams"] == 1
    assert found["frac_lines_long_string"] == 1


def test_the_hand_splitter_with_its_flaw() -> None:
    parts = split_by_hand("a\n# b\nc\n*/\nd\n")
    assert parts == ("a\nd\n", "# b\nc\n*/\n")
    # A block on one line opens one, up to the next line with a delimiter.
    assert split_by_hand("/* a */\nb\n/*\nc\n") == ("c\n", "/* a */\nb\n/*\n")
    assert split_by_hand("x\n") == ("x\n", "")


def test_perl_has_a_splitter_of_its_own() -> None:
    parts = split_perl("use x;\n  # a\n=pod\nb\n\n=cut\nc; # d\n")
    assert parts == ("use x;\nc; # d\n", "  # a\n=pod\nb\n\n=cut\n")


def test_kinds_of_characters_in_the_released_finders() -> None:
    assert as_released("plain") == "plain"
    changed = as_released("e\u0301 \u00b2\u00bd \u24d0 \u203f \x1c")
    # Marks, circled letters and ties are of words, raised digits and fractions are not.
    assert plain_words(changed) == ["e\u00aa", "\u00a1\u00a1", "\u00aa", "\u00aa", "\u00a1"]
    assert len(changed) == len("e\u0301 \u00b2\u00bd \u24d0 \u203f \x1c")


def test_separators_tell_lines_apart() -> None:
    assert code("ab\nab\n")["frac_lines_dupe_lines"] == 1
    assert code("a\x1cb\nab\n")["frac_lines_dupe_lines"] == 0
    assert code("a\x1cb\na\x1cb\n\x1c\n")["frac_lines_dupe_lines"] == 1
