"""Keys: formats of providers with their check digits, private keys, random literals given to telling names.

Prefixes, lengths and alphabets are those that the providers document for secret scanning. Where a format
has a checksum (GitHub, npm) or an inner structure (JSON Web Token, Azure), it decides. Hashes, commits and
integrity values have no telling name and no prefix, and stay.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from opencoder.pii.assigned import Literal
from opencoder.pii.base import Source, Span, find_all
from opencoder.pii.entropy import looks_fake, looks_secret, shannon

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK_DIGITS = 6
# With a data part (ciphertext), and as one line with \n in it, as in JSON.
_PEM = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
_BASE64_LINES = re.compile(r"(?:(?:\\[rn]|[\s\"'])*+[A-Za-z0-9+/=]{32,}+)+")
_PEM_LIMIT = 1 << 15
_BEARER = re.compile(r"[ +](?P<value>[A-Za-z0-9._~+/=-]{20,512})")


def checksum62(text: str) -> str:
    """CRC-32 of ``text`` as six digits of base 62, as GitHub and npm append it to their tokens."""
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK_DIGITS):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def _checked(match: re.Match[str]) -> bool:
    body = match.group().partition("_")[2]
    return checksum62(body[:-_CHECK_DIGITS]) == body[-_CHECK_DIGITS:]


def _random(match: re.Match[str]) -> bool:
    value = match.group()
    return not looks_fake(value) and shannon(value[-32:]) >= 3.0


def _aws(match: re.Match[str]) -> bool:
    return not match.group().endswith("EXAMPLE") and _random(match)


def _jwt(match: re.Match[str]) -> bool:
    head = match.group().partition(".")[0]
    try:
        return b'"alg"' in base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except (ValueError, binascii.Error):
        return False


def _azure(match: re.Match[str]) -> bool:
    return shannon(match["value"]) >= 4.0


def _basic(value: str) -> bool:
    """Whether it is a user and a password, parted by a colon, in base64."""
    try:
        return looks_secret(value) and b":" in base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return False


_TELEGRAM = ":AA"


class _Format(NamedTuple):
    """A format of keys: what must be in the text, its expression, and a check of what was found."""

    anchor: str
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool]


def _format(anchor: str, pattern: str, holds: Callable[[re.Match[str]], bool] = _random) -> _Format:
    return _Format(anchor, re.compile(pattern + r"(?![A-Za-z0-9])"), holds)


# The anchor begins the expression, so that each is tried only where the anchor stands.
_FORMATS = (
    _format("AKIA", r"AKIA[A-Z2-7]{16}", _aws),
    _format("ASIA", r"ASIA[A-Z2-7]{16}", _aws),
    *(_format(f"gh{kind}_", rf"gh{kind}_[A-Za-z0-9]{{36}}", _checked) for kind in "pousr"),
    _format("github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _format("glpat-", r"glpat-[A-Za-z0-9_-]{20}"),
    _format("xox", r"xox[abeoprs]-(?:[0-9]{8,14}-){1,3}[A-Za-z0-9-]{16,64}"),
    _format(
        "hooks.slack.com/services/T",
        r"hooks.slack.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,}",
    ),
    _format("sk_live_", r"sk_live_[A-Za-z0-9]{24,99}"),
    _format("rk_live_", r"rk_live_[A-Za-z0-9]{24,99}"),
    _format("AIza", r"AIza[A-Za-z0-9_-]{35}"),
    _format("GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    _format("sk-", r"sk-(?:ant-[a-z0-9]{2,8}-|proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_-]{32,200}"),
    _format("hf_", r"hf_[A-Za-z]{34}"),
    _format("npm_", r"npm_[A-Za-z0-9]{36}", _checked),
    _format("pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{60,300}"),
    _format("eyJ", r"eyJ[A-Za-z0-9_-]{8,400}\.[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{16,1000}", _jwt),
    _format("AccountKey=", r"AccountKey=(?P<value>[A-Za-z0-9+/]{86}==)", _azure),
    _format("SK", r"SK[0-9a-f]{32}"),
    _format("SG.", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _format(_TELEGRAM, r":AA[A-Za-z0-9_-]{33}"),
    *(_format(f"do{kind}_v1_", rf"do{kind}_v1_[0-9a-f]{{64}}") for kind in "por"),
    _format("shpat_", r"shpat_[0-9a-f]{32}"),
    _format("key-", r"key-[0-9a-f]{32}"),
    _format("ya29.", r"ya29\.[A-Za-z0-9_-]{40,300}"),
)  # fmt: skip

# Of keys whose prefix ends with such a sign, at least this much stands behind it: one look, not a dozen.
_GATES = {"_": re.compile(r"_[A-Za-z0-9]{22}"), "-": re.compile(r"-[A-Za-z0-9][A-Za-z0-9_-]{19}")}


def find(source: Source, literals: Iterable[Literal]) -> Iterator[Span]:
    """Yield the place of each key."""
    text = source.text
    closed = tuple(sign for sign, gate in _GATES.items() if not gate.search(text))
    for form in _FORMATS:
        if not form.anchor.endswith(closed) and form.anchor in text:
            yield from _of_format(text, form)
    if "PRIVATE KEY" in text:
        yield from _private_keys(text)
    for word, holds in (("bearer", looks_secret), ("basic", _basic)):
        for at in find_all(source.low, word):
            match = _BEARER.match(text, at + len(word))
            if match and holds(match["value"]):
                yield Span(match.start("value"), match.end("value"), "key")
    for literal in literals:
        if not literal.word.startswith(("pass", "pwd")) and looks_secret(literal.value):
            yield Span(literal.start, literal.start + len(literal.value), "key")


def _of_format(text: str, form: _Format) -> Iterator[Span]:
    done = 0
    for at in find_all(text, form.anchor):
        if at < done:
            continue
        start = at
        if form.anchor == _TELEGRAM:  # the number of the bot stands before
            number = text[max(0, at - 11) : at]
            start = at - len(number) + len(number.rstrip("0123456789"))
            if not 8 <= at - start <= 10:
                continue
        elif at and (text[at - 1].isalnum() or text[at - 1] in "_+"):
            continue  # the middle of a longer text, such as an image in base64
        match = form.pattern.match(text, at)
        if match is None:
            continue
        done = match.end()
        if form.holds(match):
            yield Span(
                match.start("value") if "value" in form.pattern.groupindex else start, match.end(), "key"
            )


def _private_keys(text: str) -> Iterator[Span]:
    """Whole blocks, first line to last; where the end is cut off or far, the lines of base64 that follow."""
    done = 0
    for match in _PEM.finditer(text):
        if match.start() < done:
            continue
        footer = f"-----END {match['label']}-----"
        end = text.find(footer, match.end(), match.end() + _PEM_LIMIT)
        if end >= 0:
            body = text[match.end() : end]
            done = end + len(footer)
        else:
            cut = _BASE64_LINES.match(text, match.end())
            body = cut.group() if cut else ""
            done = match.end() + len(body)
        # A marker by itself, or with three dots in between, is code that deals with keys.
        if len(re.findall(r"[A-Za-z0-9+/=]{16,}", body)) and not looks_fake_block(body):
            yield Span(match.start(), done, "key")


def looks_fake_block(body: str) -> bool:
    """Whether the inside of a key block is a stand-in."""
    return "..." in body or len(set(body)) < 16
