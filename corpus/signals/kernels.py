"""Loops over the words and characters of a text that signals need. All take time in proportion to its length.

``codes`` are code points, ``kinds`` the table of ``corpus.text.characters``:
bits 1, 2, 4 and 8 are letter, digit, blank and word character.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus.text.compiled import compiled

LONGEST = 10
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
LONG_STRING_WORDS = 20
LONG_WORD = 20


@compiled
def count_characters(codes: Any, kinds: Any) -> Any:
    """Letters, digits, blanks, lines, and the longest line with its LF."""
    letters = digits = blanks = lines = longest = 0
    start = 0
    for i in range(len(codes)):
        kind = kinds[codes[i]]
        letters += kind & 1
        digits += (kind >> 1) & 1
        blanks += (kind >> 2) & 1
        if codes[i] == 10:
            lines += 1
            longest = max(longest, i + 1 - start)
            start = i + 1
    if start < len(codes):
        lines += 1
        longest = max(longest, len(codes) - start)
    return letters, digits, blanks, lines, longest


@compiled
def _word_end(codes: Any, kinds: Any, i: int) -> int:
    """End of the run of word characters, or of others that are not blank, that begins at ``i``."""
    kind = kinds[codes[i]] & 8
    i += 1
    while i < len(codes) and (kinds[codes[i]] & 4) == 0 and (kinds[codes[i]] & 8) == kind:
        i += 1
    return i


@compiled
def table_size(count: int) -> int:
    """Slots of a hash table for so many keys: at most half of them are taken."""
    size = 16
    while size < 2 * count:
        size *= 2
    return size


@compiled
def find_words(codes: Any, kinds: Any) -> Any:
    """Cut a text into words: the number of each in order, and length and count by number."""
    num_words = 0
    i = 0
    while i < len(codes):
        if kinds[codes[i]] & 4:
            i += 1
        else:
            num_words += 1
            i = _word_end(codes, kinds, i)
    ids = np.empty(num_words, np.int32)
    starts = np.empty(num_words, np.int64)
    lengths = np.empty(num_words, np.int64)
    counts = np.zeros(num_words, np.int64)
    mask = table_size(num_words) - 1
    table = np.full(mask + 1, -1, np.int32)
    place = found = 0
    i = 0
    while i < len(codes):
        if kinds[codes[i]] & 4:
            i += 1
            continue
        end = _word_end(codes, kinds, i)
        mixed = np.uint64(end - i)
        for j in range(i, end):
            mixed = (mixed ^ np.uint64(codes[j])) * _MIX
            mixed ^= mixed >> _SHIFT
        slot = np.int64(mixed & np.uint64(mask))
        while True:
            number = table[slot]
            if number < 0:
                number = found
                table[slot] = found
                starts[found] = i
                lengths[found] = end - i
                found += 1
                break
            if lengths[number] == end - i:
                at = starts[number]
                same = 0
                while same < end - i and codes[at + same] == codes[i + same]:
                    same += 1
                if same == end - i:
                    break
            slot = (slot + 1) & mask
        counts[number] += 1
        ids[place] = number
        place += 1
        i = end
    return ids, lengths[:found], counts[:found]


@compiled
def find_repetition(ids: Any, lengths_of_id: Any) -> Any:
    """Characters in repeated n-grams, n as index: of the most frequent times its count; of all, each once.

    An n-gram can repeat only where both (n-1)-grams inside it do, so a step looks at what the step before has
    left, and names an n-gram by the pair of them.
    """
    top = np.zeros(LONGEST + 1, np.int64)
    dupe = np.zeros(LONGEST + 1, np.int64)
    size = len(ids)
    before = np.zeros(size + 1, np.int64)
    counts = np.zeros(len(lengths_of_id), np.int64)
    for i in range(size):
        before[i + 1] = before[i] + lengths_of_id[ids[i]]
        counts[ids[i]] += 1
    classes = np.empty(size, np.int64)
    for i in range(size):
        classes[i] = ids[i] if counts[ids[i]] > 1 else -1
    num_classes = len(lengths_of_id)
    for n in range(2, LONGEST + 1):
        num_classes, count, start, covered = _step(classes, num_classes, size - n + 1, n, before)
        if count < 2:
            break
        top[n] = (before[start + n] - before[start]) * count
        dupe[n] = covered
    return top, dupe


@compiled
def _step(classes: Any, num_classes: int, size: int, n: int, before: Any) -> Any:
    """Name n-grams by their classes, in place.

    Returns the number of names, the highest count, where it is first seen, and the characters of words in
    repeated n-grams.
    """
    candidates = 0
    for i in range(size):
        candidates += classes[i] >= 0 and classes[i + 1] >= 0
    mask = table_size(candidates) - 1
    table = np.full(mask + 1, -1, np.int32)
    keys = np.empty(candidates, np.int64)
    counts = np.zeros(candidates, np.int64)
    firsts = np.empty(candidates, np.int64)
    found = 0
    for i in range(size):
        if classes[i] < 0 or classes[i + 1] < 0:
            classes[i] = -1
            continue
        key = classes[i] * num_classes + classes[i + 1]
        mixed = np.uint64(key) * _MIX
        slot = np.int64((mixed ^ (mixed >> _SHIFT)) & np.uint64(mask))
        while table[slot] >= 0 and keys[table[slot]] != key:
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot] = found
            keys[found] = key
            firsts[found] = i
            found += 1
        counts[table[slot]] += 1
        classes[i] = table[slot]
    highest = start = covered = end = 0
    for number in range(found):
        if counts[number] > highest:
            highest = counts[number]
            start = firsts[number]
    for i in range(size):
        if classes[i] < 0:
            continue
        if counts[classes[i]] < 2:
            classes[i] = -1
            continue
        covered += before[i + n] - before[max(i, end)]
        end = i + n
    return found, highest, start, covered


@compiled
def find_repeated_lines(codes: Any, kinds: Any) -> Any:
    """Lines that are not blank, and those that occur again, white space apart; lone brackets do not count."""
    capacity = 1
    for i in range(len(codes)):
        capacity += codes[i] == 10
    mask = table_size(capacity) - 1
    table = np.full(mask + 1, -1, np.int32)
    starts = np.empty(capacity, np.int64)
    ends = np.empty(capacity, np.int64)
    counts = np.zeros(capacity, np.int64)
    counted = np.zeros(capacity, np.uint8)
    lines = found = start = 0
    while start < len(codes):
        end = start
        length = 0
        last = 0
        mixed = np.uint64(0)
        while end < len(codes) and codes[end] != 10:
            if (kinds[codes[end]] & 4) == 0:
                mixed = (mixed ^ np.uint64(codes[end])) * _MIX
                mixed ^= mixed >> _SHIFT
                length += 1
                if length == 1:
                    last = codes[end]
            end += 1
        if length:
            lines += 1
            slot = np.int64(mixed & np.uint64(mask))
            while table[slot] >= 0 and not _same_line(
                codes, kinds, start, end, starts[table[slot]], ends[table[slot]]
            ):
                slot = (slot + 1) & mask
            if table[slot] < 0:
                table[slot] = found
                starts[found] = start
                ends[found] = end
                closing = length == 2 and last == 125 and _has(codes, start, end, 44)
                counted[found] = length > 1 and not closing
                found += 1
            counts[table[slot]] += 1
        start = end + 1
    repeated = 0
    for number in range(found):
        if counted[number] and counts[number] > 1:
            repeated += counts[number]
    return lines, repeated


@compiled
def _has(codes: Any, start: int, end: int, code: int) -> bool:
    i = start
    while i < end and codes[i] != code:
        i += 1
    return i < end


@compiled
def _same_line(codes: Any, kinds: Any, i: int, end: int, j: int, other: int) -> bool:
    while True:
        while i < end and kinds[codes[i]] & 4:
            i += 1
        while j < other and kinds[codes[j]] & 4:
            j += 1
        if i == end or j == other:
            return i == end and j == other
        if codes[i] != codes[j]:
            return False
        i += 1
        j += 1


@compiled
def count_c_functions(codes: Any, kinds: Any) -> int:
    """Names before brackets, with a word and perhaps stars before them: ``return f(x)`` too.

    The GNU style ``f (x)`` is none. A closing bracket must follow; what lies before it is not searched.
    """
    found = begin = close = i = 0
    while i < len(codes):
        if codes[i] != 40 or not _ends_declarator(codes, kinds, begin, i):
            i += 1
            continue
        close = max(close, i + 1)
        while close < len(codes) and codes[close] != 41:
            close += 1
        if close >= len(codes):
            break
        found += 1
        begin = i = close + 1
    return found


@compiled
def _ends_declarator(codes: Any, kinds: Any, begin: int, end: int) -> bool:
    """A type and a name end at ``end``; between them may be a star, and blanks on both sides of it."""
    i = end
    while i > begin and kinds[codes[i - 1]] & 8:
        i -= 1
    if i == end or not _is_letter(codes[i]):
        return False
    if _ends_type(codes, kinds, begin, i):
        return True
    while i > begin and kinds[codes[i - 1]] & 4:
        i -= 1
    return i > begin and codes[i - 1] == 42 and _ends_type(codes, kinds, begin, i - 1)


@compiled
def _ends_type(codes: Any, kinds: Any, begin: int, end: int) -> bool:
    """A word that begins with a letter, stars and blanks before them or none, and blanks end at ``end``."""
    i = end
    while i > begin and kinds[codes[i - 1]] & 4:
        i -= 1
    if i == end:
        return False
    if i > begin and codes[i - 1] == 42:
        while i > begin and codes[i - 1] == 42:
            i -= 1
        while i > begin and kinds[codes[i - 1]] & 4:
            i -= 1
    word = i
    while i > begin and kinds[codes[i - 1]] & 8:
        i -= 1
    return i < word and _is_letter(codes[i])


@compiled
def _is_letter(code: int) -> bool:
    return 97 <= code <= 122 or 65 <= code <= 90 or code == 95
