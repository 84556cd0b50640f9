"""What the finders of personal data share: the text under search, and a place in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

KINDS = ("key", "password", "email", "ip_address", "iban", "credit_card", "phone", "name")
"""What the finders look for. Where two places overlap, the kind that comes first wins: a password in a URL is
no part of an address."""

_SECRETS = {"key", "password"}
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


class Span(NamedTuple):
    """A place to replace.

    Attributes:
        start: Index of its first character.
        end: Index behind its last.
        kind: One of :data:`KINDS`.
    """

    start: int
    end: int
    kind: str


# Languages and endings whose values stand without quotes.
_UNQUOTED = frozenset(
    {
        "yaml", "ini", "java properties", "dotenv", "shell", "dockerfile", "makefile", "batchfile", "text",
        "editorconfig", "git config", "npm config", "desktop", "nginx", "apacheconf", "fish",
        "tcsh",
    }
)  # fmt: skip
_UNQUOTED_ENDS = (
    ".yml", ".yaml", ".ini", ".cfg", ".conf", ".cnf", ".properties", ".env", ".sh", ".bash", ".zsh", ".bat",
    ".cmd",
    ".netrc", ".pgpass", ".npmrc", ".pypirc", ".toml.example", ".txt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A text under search.

    Attributes:
        text: The text.
        low: The same in small letters, index by index.
        language: Name of its language, small letters.
        filename: Name or path of the file.
    """

    text: str
    low: str
    language: str
    filename: str

    @classmethod
    def of(cls, text: str, *, language: str, filename: str) -> Source:
        """Make one; ``low`` keeps the length of ``text``, which ``str.lower`` does not always."""
        # The only letter that has two characters as a small one.
        low = text.replace("\u0130", "i").lower()
        return cls(text, low, language.lower(), PurePosixPath(filename.replace("\\", "/")).name.lower())

    @property
    def unquoted(self) -> bool:
        """Whether values stand without quotes in such a file."""
        return self.language in _UNQUOTED or self.filename.endswith(_UNQUOTED_ENDS) or ".env" in self.filename

    def line_before(self, index: int, limit: int = 200) -> str:
        """The line up to ``index``, at most its last ``limit`` characters."""
        start = max(self.text.rfind("\n", max(0, index - limit), index) + 1, index - limit, 0)
        return self.text[start:index]

    def line_after(self, index: int, limit: int = 200) -> str:
        """The rest of the line from ``index``, at most ``limit`` characters."""
        end = self.text.find("\n", index, index + limit)
        return self.text[index : end if end >= 0 else index + limit]


def find_all(text: str, needle: str) -> Iterator[int]:
    """Yield the index of every occurrence, without overlaps."""
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Keep of each group of overlapping places the one of the highest rank, then the first; in order.

    Of a key that is a part of a password, all of the password goes.
    """
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, _RANK[s.kind], -s.end)):
        if kept and span.start < kept[-1].end:
            last = kept[-1]
            best = min(last, span, key=lambda s: _RANK[s.kind])
            if {last.kind, span.kind} <= _SECRETS:
                kept[-1] = Span(last.start, max(last.end, span.end), best.kind)
            else:
                kept[-1] = best
            continue
        kept.append(span)
    return kept
