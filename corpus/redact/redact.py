"""The transform of one text: drop copyright headers, replace personal data and secrets.

The paper (arXiv 2411.04905, section 2.1) removes copyright headers, which over 15 % of files have, from
leading comments, and replaces passwords, e-mail and IP addresses and names by placeholders. Upstream
released neither step; the rules here are our own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from corpus.redact import names
from corpus.redact.headers import strip_headers
from opencoder.pii import emails, ip, keys, passwords
from opencoder.pii.assigned import find_literals
from opencoder.pii.base import Source, Span, without_overlaps

# In these a bare angle bracket would open a tag.
_MARKUP = frozenset({"xml", "svg", "xslt", "maven pom", "xml property list", "collada", "ant build system"})
_ROUNDS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Redacted:
    """A text after the transform.

    Attributes:
        text: The text.
        counts: Places by kind: ``copyright_header``, ``email``, ``ip_address``, ``key``, ``password``,
            ``name``; only kinds that occur. What stood there is kept nowhere.
    """

    text: str
    counts: dict[str, int]


def redact(text: str, *, language: str, filename: str) -> Redacted:
    """Drop copyright headers from ``text`` and replace personal data; doing it twice changes nothing more.

    A text that holds nothing but a header keeps it, so none becomes empty. Time is linear in the length.

    Args:
        text: The text of a file.
        language: Name of its language as in the table of languages, or an empty text.
        filename: Its name or path; the ending tells where values stand without quotes.
    """
    counts: Counter[str] = Counter()
    for _ in range(_ROUNDS):
        text, num_headers = strip_headers(text, language=language, filename=filename)
        source = Source.of(text, language=language, filename=filename)
        spans = without_overlaps(_find(source))
        markup = source.language in _MARKUP or text.startswith("<?xml")
        text = replace(text, spans, markup=markup)
        counts["copyright_header"] += num_headers
        counts.update(span.kind for span in spans)
        # A placeholder may part what was one before, or bring a comment to the head of the text.
        if not spans:
            break
    return Redacted(text=text, counts=dict(sorted((+counts).items())))


def _find(source: Source) -> list[Span]:
    literals = list(find_literals(source))
    return [
        *keys.find(source, literals),
        *passwords.find(source, literals),
        *emails.find(source),
        *ip.find(source),
        *names.find(source),
    ]


def replace(text: str, spans: Iterable[Span], *, markup: bool) -> str:
    """Put the placeholder of its kind in each place; escaped where the text is markup."""
    pieces, at = [], 0
    for span in spans:
        pieces += [text[at : span.start], f"&lt;{span.kind}&gt;" if markup else f"<{span.kind}>"]
        at = span.end
    return "".join([*pieces, text[at:]])
