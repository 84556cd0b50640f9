"""Tell comments from code by a language's table of delimiters, in one pass and in linear time."""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus.text.compiled import compiled

# Columns of the table that corpus.text.syntax makes.
_KIND, _WHERE, _OPEN, _OPEN_SIZE, _CLOSE, _CLOSE_SIZE, _LINE_END = range(7)
_NESTS, _ESCAPE, _SPANS, _DOC, _ANY_CASE, _CLOSING_FIRST = range(7, 13)

CHAR_LENGTH = 12
"""Longest literal of one character, as an escape: ``'\\U0010ffff'``."""
HEREDOCS = 16
"""Words of here-documents that no line ends, after which none is looked for: each look reads to the end."""


@compiled
def comment_mask(codes: Any, kinds: Any, first: Any, table: Any, characters: Any, inside: bool) -> Any:
    """Mark the characters of comments with 1."""
    size = len(codes)
    mask = np.zeros(size, np.uint8)
    # Up to where a token is known to have no end, so that nothing is read twice.
    hopeless = np.zeros(len(table), np.int64)
    heredocs = 0
    i = 0
    if inside:
        i = _find(codes, 0, size, characters, table[0, _CLOSE], table[0, _CLOSE_SIZE], 0, True, False)
        i = size if i < 0 else i
    while i < size:
        code = codes[i]
        if not first[min(code, 255)]:
            i += 1
            continue
        end = -1
        token = 0
        while token < len(table):
            if i >= hopeless[token] and _opens(codes, kinds, i, table[token], characters):
                end = _end(codes, kinds, i, table[token], characters)
                if end >= 0:
                    break
                hopeless[token] = -end
                if table[token, _KIND] == 4:
                    heredocs += 1
                    hopeless[token] = size if heredocs > HEREDOCS else -end
            token += 1
        if end < 0:
            i += 1
            continue
        kind = table[token, _KIND]
        if kind == 0 and table[token, _LINE_END] > 0 and end < size:
            end += table[token, _LINE_END] == 1 or _first_on_line(codes, kinds, i)
        if kind < 2 or table[token, _DOC]:
            mask[i:end] = 1
        i = max(end, i + 1)
    return mask


@compiled
def _first_on_line(codes: Any, kinds: Any, i: int) -> Any:
    i -= 1
    while i >= 0 and codes[i] != 10:
        if (kinds[codes[i]] & 4) == 0:
            return False
        i -= 1
    return True


@compiled
def _lower(code: int) -> Any:
    return code + 32 if 65 <= code <= 90 else code


@compiled
def _matches(codes: Any, i: int, characters: Any, at: int, size: int, any_case: bool) -> Any:
    if i + size > len(codes):
        return False
    for k in range(size):
        code = _lower(codes[i + k]) if any_case else codes[i + k]
        if code != characters[at + k]:
            return False
    return True


@compiled
def _opens(codes: Any, kinds: Any, i: int, token: Any, characters: Any) -> Any:
    """Whether ``token`` begins at ``i``."""
    any_case = token[_ANY_CASE] != 0
    if not _matches(codes, i, characters, token[_OPEN], token[_OPEN_SIZE], any_case):
        return False
    after = i + token[_OPEN_SIZE]
    if any_case and after < len(codes) and kinds[codes[after]] & 8:
        return False
    where = token[_WHERE]
    if where == 1:
        return i == 0 or (kinds[codes[i - 1]] & 4) != 0
    if where == 2:
        return _first_on_line(codes, kinds, i)
    if where == 3:
        return i == 0 or codes[i - 1] == 10
    if where == 4:
        return i == 0 or (kinds[codes[i - 1]] & 8) == 0
    return True


@compiled
def _find(
    codes: Any, i: int, stop: int, characters: Any, at: int, size: int, escape: int, spans: bool, column: bool
) -> Any:
    """End of the closing mark at or after ``i``; if none is there, minus the place up to which none is."""
    while i < stop:
        code = codes[i]
        if escape and code == escape:
            i += 2
            continue
        here = code == characters[at] and (not column or i == 0 or codes[i - 1] == 10)
        if here and _matches(codes, i, characters, at, size, False):
            return i + size
        if code == 10 and not spans:
            return -i
        i += 1
    return -max(stop, 1)


@compiled
def _end(codes: Any, kinds: Any, i: int, token: Any, characters: Any) -> Any:
    """End of what ``token`` begins at ``i``; if it ends nowhere, minus the place before which none ends."""
    size = len(codes)
    kind = token[_KIND]
    after = i + token[_OPEN_SIZE]
    if kind == 0:
        while after < size and codes[after] != 10:
            after += 1
        return after
    if kind == 1:
        return _block_end(codes, after, token, characters)
    if kind == 2:
        at, width = token[_CLOSE], token[_CLOSE_SIZE]
        return _find(codes, after, size, characters, at, width, token[_ESCAPE], token[_SPANS] != 0, False)
    if kind == 3:
        return _char_end(codes, i)
    if kind == 4:
        return _heredoc_end(codes, kinds, after)
    return _pattern_end(codes, kinds, i)


@compiled
def _block_end(codes: Any, i: int, token: Any, characters: Any) -> Any:
    """A block that nothing closes reaches to the end of the text."""
    size = len(codes)
    at, width = token[_CLOSE], token[_CLOSE_SIZE]
    if not token[_NESTS]:
        end = _find(codes, i, size, characters, at, width, 0, True, token[_CLOSING_FIRST] != 0)
        return end if end >= 0 else size
    depth = 1
    while i < size:
        if _matches(codes, i, characters, at, width, False):
            i += width
            depth -= 1
            if depth == 0:
                return i
        elif _matches(codes, i, characters, token[_OPEN], token[_OPEN_SIZE], False):
            i += token[_OPEN_SIZE]
            depth += 1
        else:
            i += 1
    return size


@compiled
def _char_end(codes: Any, i: int) -> Any:
    size = len(codes)
    if i + 2 < size and codes[i + 1] != 92:
        return i + 3 if codes[i + 2] == 39 and codes[i + 1] != 10 else -i - 1
    for k in range(i + 3, min(size, i + CHAR_LENGTH)):
        if codes[k] == 39:
            return k + 1
        if codes[k] == 10:
            break
    return -i - 1


@compiled
def _heredoc_end(codes: Any, kinds: Any, i: int) -> Any:
    size = len(codes)
    began = i
    while i < size and (codes[i] == 45 or codes[i] == 126):
        i += 1
    while i < size and codes[i] == 32:
        i += 1
    while i < size and (codes[i] == 39 or codes[i] == 34 or codes[i] == 92):
        i += 1
    word = i
    while i < size and kinds[codes[i]] & 8:
        i += 1
    width = i - word
    if width == 0 or kinds[codes[word]] & 2:
        return -began
    while i < size:
        while i < size and codes[i] != 10:
            i += 1
        i += 1
        at = i
        while at < size and (codes[at] == 32 or codes[at] == 9):
            at += 1
        k = 0
        while k < width and at + k < size and codes[at + k] == codes[word + k]:
            k += 1
        if k == width and (at + k >= size or (kinds[codes[at + k]] & 8) == 0):
            return at + k
        i = max(i, at)
    return -began


@compiled
def _pattern_end(codes: Any, kinds: Any, i: int) -> Any:
    """A slash divides where an operand stands before it."""
    before = i - 1
    while before >= 0 and (codes[before] == 32 or codes[before] == 9):
        before -= 1
    if before >= 0:
        code = codes[before]
        if kinds[code] & 8:
            # "return /x/" and the like; all other words are operands.
            if not (
                before >= 5 and codes[before] == 110 and codes[before - 1] == 114 and codes[before - 2] == 117
            ):
                return -i - 1
        elif code == 41 or code == 93 or code == 125 or code == 34 or code == 39 or code == 96:
            return -i - 1
    in_class = False
    k = i + 1
    while k < len(codes) and codes[k] != 10:
        code = codes[k]
        if code == 92:
            k += 2
            continue
        if code == 91:
            in_class = True
        elif code == 93:
            in_class = False
        elif code == 47 and not in_class:
            return k + 1
        k += 1
    return -max(k, i + 1)
