"""Signals of prose: documentation, notes, plain text."""

from __future__ import annotations

import math
import re
from collections import Counter

from corpus.signals import shared
from corpus.signals.base import Signals, Value, share
from corpus.signals.source import Source
from corpus.text.stopwords import ENGLISH

SENTENCE = re.compile(r"\b[^.!?。！？؟]+[.!?。！？؟]*")
SENTENCE_END = re.compile(r"[.?!\n]")
READMORE = (
    "...", "…",
    "全文", "详情", "详细", "更多", "المزيد", "تفاصيل", "اقرأ المزيد", "もっと", "詳細", "もっと読む",
)  # fmt: skip
LINK = re.compile(r"\(https?://")
TAG = re.compile(r"<[^>\n]*+>")
CODE_NAMES = ("readme", "notes", "todo", "description", "cmakelists")


def _bullets() -> tuple[str, ...]:
    points = [0x2022, 0x2023, 0x2043, 0x204C, 0x204D, 0x2219, *range(0x25A0, 0x25B0), 0x25CB, 0x25CF, 0x25E6]
    points += [*range(0x25C6, 0x25CB), *range(0x25D0, 0x25D7), 0x25D8, 0x25D9, *range(0x25E2, 0x25E6), 0x25EF]
    points += [0x2611, 0x2612, 0x2B1B, 0x2B1C, 0x2B24, 0x2B1E, 0x2B1F, 0x29BE]
    return tuple(map(chr, points))


BULLETS = _bullets()


def frac_chars_curly_bracket(source: Source) -> Value:
    """Braces, per character."""
    return share(source.text.count("{") + source.text.count("}"), len(source.text), 0.0)


def frac_words_redpajama_stop(source: Source) -> Value:
    """Stop words among raw words; only English has a list here."""
    if source.natural_language != "en":
        return None
    return share(sum(word in ENGLISH for word in source.raw_words), len(source.raw_words), 0.0)


def num_sentences(source: Source) -> Value:
    """Stretches that end with a full stop or its like."""
    return float(len(SENTENCE.findall(source.text)))


def num_lines(source: Source) -> Value:
    """Raw lines."""
    return float(len(source.lines))


def frac_words_full_bracket(source: Source) -> Value:
    """Chinese heading brackets among raw words."""
    return share(sum(word in ("【", "】") for word in source.raw_words), len(source.raw_words))


def frac_lines_end_with_readmore(source: Source) -> Value:
    """Lines cut short with an invitation to read on."""
    ends = sum(line.rstrip().rstrip("]】)>》").endswith(READMORE) for line in source.lines)
    return share(ends, len(source.lines))


def frac_lines_start_with_bullet(source: Source) -> Value:
    """Lines that are points of a list; hyphens and asterisks are not bullets."""
    return share(sum(line.lstrip().startswith(BULLETS) for line in source.lines), len(source.lines))


def entropy_unigram(source: Source) -> Value:
    """Entropy of the normalised words, in nats."""
    total = source.vocabulary.num_words
    if not total:
        return None
    shares: list[float] = (source.vocabulary.counts / total).tolist()
    return round(-sum(p * math.log(p) for p in shares), 8)


def frac_words_all_caps(source: Source) -> Value:
    """Words in capitals among raw words."""
    return share(sum(map(str.isupper, source.raw_words)), len(source.raw_words))


def frac_lines_dupe_lines(source: Source) -> Value:
    """Lines that occur more than once, blank ones apart."""
    counts = _line_counts(source)
    return share(sum(n for n in counts.values() if n > 1), counts.total())


def frac_chars_dupe_lines(source: Source) -> Value:
    """Characters of lines that occur more than once, blank ones apart."""
    counts = _line_counts(source)
    repeated = sum(n * len(line) for line, n in counts.items() if n > 1)
    return share(repeated, sum(n * len(line) for line, n in counts.items()))


def cate_code_related_file_name(source: Source) -> Value:
    """The name is one that programs' own documents have."""
    name = source.filename.partition(".")[0].lower()
    return float("requirement" in name or name in CODE_NAMES)


def num_chars_sentence_length_mean(source: Source) -> Value:
    """Mean length of what lies between sentence ends and line ends."""
    pieces = SENTENCE_END.split(source.text)
    return share(sum(map(len, pieces)), len(pieces), 0.0)


def frac_chars_hyperlink_html_tag(source: Source) -> Value:
    """Links in brackets and tags, per character."""
    return share(_links_length(source.text) + _tags_length(source.text), len(source.text))


def frac_chars_alphabet(source: Source) -> Value:
    """Letters among visible characters; other scripts than English are not judged."""
    if not source.num_visible:
        return 0.0
    return shared.frac_chars_alphabet(source) if source.natural_language == "en" else None


def frac_chars_hex_words(source: Source) -> Value:
    """Words such as 0xff."""
    return share(shared.hex_length(source.text), len(source.text))


def _links_length(text: str) -> int:
    """Characters of ``(http://...)``, from the first such start between blanks to the last bracket there."""
    if "(http" not in text:
        return 0
    total = 0
    for word in text.split():
        found = LINK.search(word)
        end = word.rfind(")")
        if found and end > found.end():
            total += end + 1 - found.start()
    return total


def _tags_length(text: str) -> int:
    """Characters between ``<`` and the next ``>`` of the line, both included."""
    if "<" not in text:
        return 0
    # What follows a line's last ">" holds no tag, and is not searched from each "<" in it.
    lines = (line[: line.rfind(">") + 1] for line in text.split("\n") if "<" in line)
    return sum(len(tag) for line in lines for tag in TAG.findall(line))


def _line_counts(source: Source) -> Counter[str]:
    return Counter(stripped for line in source.lines if (stripped := line.strip()))


_SIGNALS: Signals = {
    "frac_chars_curly_bracket": frac_chars_curly_bracket,
    "frac_words_redpajama_stop": frac_words_redpajama_stop,
    "num_sentences": num_sentences,
    "num_words": shared.num_words,
    "num_chars": shared.num_chars,
    "num_lines": num_lines,
    "mean_word_length": shared.mean_word_length,
    "frac_words_full_bracket": frac_words_full_bracket,
    "frac_lines_end_with_readmore": frac_lines_end_with_readmore,
    "frac_lines_start_with_bullet": frac_lines_start_with_bullet,
    "frac_words_unique": shared.frac_words_unique,
    "entropy_unigram": entropy_unigram,
    "frac_words_all_caps": frac_words_all_caps,
    "frac_lines_dupe_lines": frac_lines_dupe_lines,
    "frac_chars_dupe_lines": frac_chars_dupe_lines,
    **shared.REPETITION,
    "frac_chars_replacement_symbols": shared.frac_chars_replacement_symbols,
    "cate_code_related_file_name": cate_code_related_file_name,
    "num_chars_sentence_length_mean": num_chars_sentence_length_mean,
    "frac_chars_hyperlink_html_tag": frac_chars_hyperlink_html_tag,
    "frac_chars_alphabet": frac_chars_alphabet,
    "frac_chars_digital": shared.frac_chars_digital,
    "frac_chars_whitespace": shared.frac_chars_whitespace,
    "frac_chars_hex_words": frac_chars_hex_words,
}
SIGNALS: Signals = {f"qsc_doc_{name}": function for name, function in _SIGNALS.items()}
