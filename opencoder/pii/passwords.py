"""Passwords: literals given to names that end in ``password`` and the like, and those in URLs.

A word of letters alone is left (``"required"``, ``"Passwort"``, ``"current-password"`` are types, labels and
names of fields far more often), except for a few that people do use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opencoder.pii.assigned import Literal
from opencoder.pii.base import Source, Span, find_all
from opencoder.pii.entropy import looks_fake, mixed

# An @ within the password should be escaped, and often is not.
_URL = re.compile(
    r"://(?P<user>[^\s/:@\"'<>]{0,64}):(?P<value>[^\s/@,\"'<>]{1,256}(?:@[^\s/@,\"'<>?&=:]{1,64})?)@(?P<host>[\w.\[-])"
)
_CODE = re.compile(r"[${}`\\|]|^-|%[(sd@vq]|%\w+%|^[<(\[*]|^&|\)$|[,;]$|^--|->|::|\(\)")
_PATH = re.compile(
    r"^(?:\.{0,2}/|~/?|[a-z]:\\|[a-z][a-z+]*://)|\.(?:txt|json|ya?ml|key|pem|php|html?|py|js|ts|conf)$", re.I
)
# The name of a secret that is kept elsewhere, and a version.
_ELSEWHERE = re.compile(r"[a-z]+/[\w-]+/[\w/-]+$|\d+(?:\.\d+)+$")
_CAMEL = re.compile(r"[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})*$")
_FIELD = re.compile(r"^[#.]?[a-z_][a-z_.:\[\]-]*[0-9]?$", re.IGNORECASE)
_ABOUT = re.compile(
    r"passw|passphrase|pwd|required|optional|secret|user|login|field|input|label|form|anonymous"
)
_TYPES = re.compile(
    r"(?:u?int|str|string|varchar|char|text|bool|float|utf|base|sha|md|aes|min|max)[-_:( ]?\d+\)?$", re.I
)
_KNOWN = frozenset(
    """letmein qwerty qwertyuiop iloveyou dragon monkey sunshine princess trustno hunter swordfish welcome
    passw0rd postgres mysql toor raspberry vagrant superman batman football baseball""".split()
)
_URL_FAKE = frozenset("pass password passwd pwd secret token port pw psw user username x pass1 ****".split())


def find(source: Source, literals: Iterable[Literal]) -> Iterator[Span]:
    """Yield the place of each password among the literals and in URLs."""
    for literal in literals:
        if literal.word.startswith(("pass", "pwd")) and looks_password(literal):
            yield Span(literal.start, literal.start + len(literal.value), "password")
    if "://" in source.text:
        yield from _in_urls(source.text)


def looks_password(literal: Literal) -> bool:
    """Whether the value is one that somebody could have chosen or drawn for a password."""
    value = literal.value
    if (
        len(value) < 4
        or _CODE.search(value)
        or looks_fake(value)
        or _PATH.search(value)
        or _ELSEWHERE.match(value)
        or _TYPES.match(value)
    ):
        return False
    low = value.lower()
    if low in _KNOWN:
        return True
    if low.strip("#.") in {literal.name, literal.word} or not value.isprintable():
        return False
    if value[0] == "^" or ("[" in value and "]" in value):
        return False  # a pattern or a subscript
    if _FIELD.match(value):
        if not value[-1].isdigit():
            return _random(value)
        return not _ABOUT.search(low) or not any(sign in value for sign in "_-.#")
    if not value.isascii():
        return any(c.isdigit() for c in value)
    # settings.password1 is no literal.
    return literal.quoted or not re.match(r"[a-z_][\w.]*\.[a-z_]\w*$", value, re.IGNORECASE)


def _random(value: str) -> bool:
    """Whether letters alone change case as in no word."""
    return len(value) >= 8 and value.isalpha() and mixed(value) and not _CAMEL.match(value)


def _in_urls(text: str) -> Iterator[Span]:
    for at in find_all(text, "://"):
        match = _URL.match(text, at)
        if match is None:
            continue
        value = match["value"]
        if value.lower() in _URL_FAKE or _CODE.search(value) or (looks_fake(value) and len(value) > 2):
            continue
        # Defaults such as guest:guest are no secret, and two numbers are a range or a port.
        if len(value) < 3 or value == match["user"] or (match["user"].isdigit() and value.isdigit()):
            continue
        yield Span(match.start("value"), match.end("value"), "password")
