"""Loops that look for literal strings and for encoded data, each in one pass.

``codes`` are code points, ``kinds`` the table of ``corpus.text.characters``.
"""

from __future__ import annotations

from typing import Any

from corpus.signals.kernels import LONG_STRING_WORDS, LONG_WORD
from corpus.text.compiled import compiled

RUN = 64
"""Characters of base64 from which a run of them is taken for it."""
GROUPS = 8
"""Groups of hexadecimal digits, or escapes, that make a run."""


@compiled
def _is_hex(code: int) -> bool:
    return 48 <= code <= 57 or 65 <= code <= 70 or 97 <= code <= 102


@compiled
def _boundary(codes: Any, kinds: Any, i: int) -> bool:
    """A word begins or ends before ``i``."""
    left = i > 0 and (kinds[codes[i - 1]] & 8) != 0
    right = i < len(codes) and (kinds[codes[i]] & 8) != 0
    return left != right


@compiled
def find_encoded(codes: Any, kinds: Any) -> Any:
    """Longest run and total length of base64, of pairs of hexadecimal digits, and of escapes of Unicode."""
    longest = total = 0
    for which in range(3):
        i = 0
        while i < len(codes):
            code = codes[i]
            if which == 0:
                end = _base64_end(codes, i)
            elif which == 1:
                if code != 92 and not _is_hex(code):
                    i += 1
                    continue
                end = _pairs_end(codes, kinds, i)
            else:
                if code != 92:
                    i += 1
                    continue
                end = _escapes_end(codes, i)
            if end < 0:
                # What begins later in a run that is too short is shorter still.
                i = max(i + 1, -end - 1)
                continue
            longest = max(longest, end - i)
            total += end - i
            i = end
    return longest, total


@compiled
def _base64_end(codes: Any, start: int) -> int:
    i = start
    while i < len(codes):
        code = codes[i]
        if not (
            97 <= code <= 122
            or 65 <= code <= 90
            or 47 <= code <= 57
            or code == 43
            or code == 10
            or code == 61
        ):
            break
        i += 1
    return i if i - start >= RUN else -i - 1


@compiled
def _pairs_end(codes: Any, kinds: Any, start: int) -> int:
    i = start
    groups = 0
    while i + 2 <= len(codes):
        at = i
        if not _boundary(codes, kinds, i):
            break
        if (codes[at] == 48 or codes[at] == 92) and codes[at + 1] == 120:
            at += 2
        if at + 2 > len(codes) or not (_is_hex(codes[at]) and _is_hex(codes[at + 1])):
            break
        at += 2
        if at < len(codes) and codes[at] == 44:
            at += 1
        elif _boundary(codes, kinds, at):
            while at < len(codes) and kinds[codes[at]] & 4:
                at += 1
        else:
            break
        i = at
        groups += 1
    return i if groups >= GROUPS else -i - 1


@compiled
def _escapes_end(codes: Any, start: int) -> int:
    i = start
    while i + 6 <= len(codes) and codes[i] == 92 and codes[i + 1] == 117:
        if not (
            _is_hex(codes[i + 2])
            and _is_hex(codes[i + 3])
            and _is_hex(codes[i + 4])
            and _is_hex(codes[i + 5])
        ):
            break
        i += 6
    return i if i - start >= 6 * GROUPS else -i - 1


@compiled
def _string_end(codes: Any, start: int, quote: int, width: int, spans: bool) -> int:
    """Where the string whose inside begins at ``start`` ends, or -1; ``-2`` if a line end forbids it."""
    i = start
    while i + width <= len(codes):
        code = codes[i]
        if code == quote and (width == 1 or (codes[i + 1] == quote and codes[i + 2] == quote)):
            return i
        if code == 10 and not spans:
            return -2
        i += 1
    return -1


@compiled
def measure_strings(codes: Any, kinds: Any, spans: bool) -> Any:
    """Strings of one or three quotes: length inside, of their long words, and pieces of lines of many words.

    Those of one quote may span lines too where ``spans``.
    """
    inner = long_words = long_pieces = 0
    # What has no end has none further on, and is not looked for again.
    ended = [False, False, False, False]
    i = 0
    size = len(codes)
    while i < size:
        quote = codes[i]
        if quote != 39 and quote != 34:
            i += 1
            continue
        which = 1 if quote == 34 else 0
        end = -1
        width = 1
        if i + 2 < size and codes[i + 1] == quote and codes[i + 2] == quote and not ended[which]:
            end = _string_end(codes, i + 3, quote, 3, True)
            ended[which] = end < 0
            width = 3
        if end < 0 and not ended[2 + which]:
            width = 1
            end = _string_end(codes, i + 1, quote, 1, spans)
            ended[2 + which] = end == -1
        if end < 0:
            i += 1
            continue
        start = i + width
        inner += end - start
        long_words += _long_words(codes, kinds, start, end)
        long_pieces += _long_pieces(codes, kinds, start, end)
        i = end + width
    return inner, long_words, long_pieces


@compiled
def _long_words(codes: Any, kinds: Any, start: int, end: int) -> int:
    """Characters of what stands between blanks, is long, and holds no URL."""
    total = 0
    i = start
    while i < end:
        if kinds[codes[i]] & 4:
            i += 1
            continue
        word = i
        while i < end and (kinds[codes[i]] & 4) == 0:
            i += 1
        if i - word > LONG_WORD and not _has_url(codes, word, i):
            total += i - word
    return total


@compiled
def _has_url(codes: Any, start: int, end: int) -> bool:
    for i in range(start + 4, end - 3):
        if codes[i] == 58 and codes[i + 1] == 47 and codes[i + 2] == 47:
            at = i - 1 if codes[i - 1] == 115 else i
            if (
                at - 4 >= start
                and codes[at - 4] == 104
                and codes[at - 3] == 116
                and codes[at - 2] == 116
                and codes[at - 1] == 112
            ):
                return True
    return False


@compiled
def _long_pieces(codes: Any, kinds: Any, start: int, end: int) -> int:
    """Pieces between line ends that hold more than so many words."""
    total = words = 0
    i = start
    while i < end:
        if codes[i] == 10:
            total += words > LONG_STRING_WORDS
            words = 0
        if kinds[codes[i]] & 4:
            i += 1
            continue
        words += 1
        kind = kinds[codes[i]] & 12
        while i < end and (kinds[codes[i]] & 12) == kind:
            i += 1
    return total + (words > LONG_STRING_WORDS)
