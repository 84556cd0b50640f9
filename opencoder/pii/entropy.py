"""How random a literal looks, and what marks it as a placeholder instead."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

_HEX = re.compile(r"[0-9a-fA-F]+")
_UUID = re.compile(r"\{?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}?")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]+")
_FAKE = re.compile(
    r"your|example|change|placeholder|dummy|sample|replace|insert|redacted|masked|hidden|fixme|todo|(?-i:xxx|XXX)|\*\*\*|\.\.\."
    r"|fake|enter|goes.?here|<|>|lorem|1234567890|abcdefgh|01234567|deadbeef|cafebabe|foobar|some.?secret|mock"
    r"|invalid|incorrect|wrong",
    re.IGNORECASE,
)
# Limits of detect-secrets (Yelp) for hexadecimal and base64 text are 3.0 and 4.5 bits; the second needs some
# 40 characters to be reached at all, so a share of the most that a length allows stands in below that.
_HEX_BITS = 3.0
_TOKEN_BITS = 4.5
_TOKEN_SHARE = 0.84


def shannon(value: str) -> float:
    """Shannon entropy of the characters of ``value``, in bits per character."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) if total else 0.0


def looks_fake(value: str) -> bool:
    """Whether ``value`` is a placeholder, a run of one character, or an ascending row of them."""
    if len(set(value)) <= 2 or _FAKE.search(value):
        return True
    steps = sum(ord(b) - ord(a) == 1 for a, b in pairwise(value))
    return steps > 0.4 * len(value)


def looks_secret(value: str) -> bool:
    """Whether ``value`` is random enough for a key: 16 characters and more, of letters and digits."""
    if (
        not 16 <= len(value) <= 512
        or not _TOKEN.fullmatch(value)
        or _UUID.fullmatch(value)
        or looks_fake(value)
    ):
        return False
    has_digit = any(c.isdigit() for c in value)
    has_letter = any(c.isalpha() for c in value)
    if not (has_digit and has_letter):
        return False
    if _HEX.fullmatch(value):
        return shannon(value) >= min(_HEX_BITS, 0.75 * math.log2(len(value)))
    # Words joined by signs are identifiers and paths, however long.
    parts = re.split(r"[._/~+=-]+", value)
    if len(parts) > 2 and all(len(part) < 12 and not mixed(part) for part in parts):
        return False
    return shannon(value) >= min(_TOKEN_BITS, _TOKEN_SHARE * math.log2(len(value)))


def mixed(part: str) -> bool:
    """Whether letters, digits and cases alternate as in no word: at least three changes of class."""
    classes = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in part]
    # A capital before a small letter begins a word and changes nothing.
    changes = sum(a != b and not (a == "u" and b == "l") for a, b in pairwise(classes))
    return changes >= 3
