"""Fertility: how many tokens a tokenizer needs for a text, by language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from train.bpe.sample import utf8_size
from train.tokens.fast import FastTokenizer

ALL = "all"
_WORD = re.compile(r"\w+")


class Fertility(msgspec.Struct, kw_only=True, frozen=True):
    """What a tokenizer makes of the texts of one language.

    Attributes:
        tokenizer: Its folder.
        language: ``all`` for the whole corpus: the mean over languages by their bytes in the corpus, not by
            what was measured of them.
        bytes: Bytes of UTF-8 that were measured.
        tokens: Tokens that they became.
        bytes_per_token: More is better.
        tokens_per_byte: Its inverse.
        tokens_per_word: Words are runs of letters, digits and underscores; None if there are none.
        tokens_per_line: Lines are counted by their ends, an open last line too.
    """

    tokenizer: str
    language: str
    bytes: int
    tokens: int
    bytes_per_token: float
    tokens_per_byte: float
    tokens_per_word: float | None
    tokens_per_line: float


class _Measured(msgspec.Struct, frozen=True):
    bytes: float
    words: float
    lines: float
    tokens: float

    def times(self, factor: float) -> _Measured:
        return _Measured(*(factor * value for value in msgspec.structs.astuple(self)))


def measure(
    tokenizers: Sequence[FastTokenizer], texts: Mapping[str, Sequence[str]], sizes: Mapping[str, int]
) -> list[Fertility]:
    """Encode texts with each tokenizer and return the figures, languages first, then ``all``.

    Args:
        tokenizers: What to compare.
        texts: Texts by language.
        sizes: Bytes of each language in the whole corpus.
    """
    rows: list[Fertility] = []
    for tokenizer in tokenizers:
        found = {name: _measure(tokenizer, some) for name, some in texts.items() if any(some)}
        name = str(tokenizer.folder)
        rows += [_row(name, language, one, one) for language, one in found.items()]
        if found:
            scaled = [one.times(sizes[language] / one.bytes) for language, one in found.items()]
            rows.append(_row(name, ALL, _sum(list(found.values())), _sum(scaled)))
    return rows


def table(rows: Sequence[Fertility]) -> str:
    """Return the rows as text: bytes per token by language, a column for each tokenizer."""
    names = list(dict.fromkeys(row.tokenizer for row in rows))
    cells = {(row.language, row.tokenizer): row for row in rows}
    languages = list(dict.fromkeys(row.language for row in rows))
    head = ["language", "measured", *(f"bytes/token {name}" for name in names), "tokens/word", "tokens/line"]
    lines = [head]
    for language in languages:
        own = cells[language, names[0]]
        word = "-" if own.tokens_per_word is None else f"{own.tokens_per_word:.2f}"
        figures = [f"{cells[language, name].bytes_per_token:.3f}" for name in names]
        lines.append([language, f"{own.bytes:,} B", *figures, word, f"{own.tokens_per_line:.1f}"])
    return columns(lines)


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as aligned text, the first column to the left."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )


def _measure(tokenizer: FastTokenizer, texts: Sequence[str]) -> _Measured:
    return _Measured(
        bytes=sum(map(utf8_size, texts)),
        words=sum(len(_WORD.findall(text)) for text in texts),
        lines=sum(text.count("\n") + (not text.endswith("\n")) for text in texts if text),
        tokens=sum(tokenizer.count(texts)),
    )


def _sum(some: Sequence[_Measured]) -> _Measured:
    return _Measured(*map(sum, zip(*map(msgspec.structs.astuple, some), strict=True)))


def _row(tokenizer: str, language: str, counted: _Measured, weighed: _Measured) -> Fertility:
    return Fertility(
        tokenizer=tokenizer,
        language=language,
        bytes=round(counted.bytes),
        tokens=round(counted.tokens),
        bytes_per_token=weighed.bytes / weighed.tokens,
        tokens_per_byte=weighed.tokens / weighed.bytes,
        tokens_per_word=weighed.tokens / weighed.words if weighed.words else None,
        tokens_per_line=weighed.tokens / weighed.lines,
    )
