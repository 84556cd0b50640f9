"""What the steps count. Counts of shards add up to those of the corpus in any order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import msgspec

from corpus.filters.base import Hit
from corpus.report.schema import Amount, Example

EXAMPLES = 5
"""Documents shown for each rule, at each end."""
_EXCERPT_LINES = 12
_EXCERPT_CHARS = 800


class Tally(msgspec.Struct, kw_only=True):
    """One rule.

    Attributes:
        furthest: Dropped by it alone, with the distance to the threshold as a share of it.
        nearest: Likewise, the least distances.
    """

    hits: int = 0
    alone: int = 0
    by_language: dict[str, int] = {}
    furthest: list[tuple[float, Example]] = []
    nearest: list[tuple[float, Example]] = []


class Stats(msgspec.Struct, kw_only=True):
    """What one step did.

    Attributes:
        rejected: Documents by reason.
        languages: What passed, by language.
        doc_types: Type of each language.
        natural: What passed, by language and natural language.
        replaced: Places by kind, of the transform.
        replaced_in: Documents by kind, of the transform.
        rules: Of the filter.
        errors: Failed signals, with documents.
        outside: Languages outside the set, with documents.
        no_shingles: Documents that have none.
    """

    taken: Amount = msgspec.field(default_factory=Amount)
    passed: Amount = msgspec.field(default_factory=Amount)
    rejected: dict[str, int] = {}
    languages: dict[str, Amount] = {}
    doc_types: dict[str, str] = {}
    natural: dict[str, dict[str, int]] = {}
    replaced: dict[str, int] = {}
    replaced_in: dict[str, int] = {}
    rules: dict[str, Tally] = {}
    errors: dict[str, int] = {}
    outside: dict[str, int] = {}
    no_shingles: int = 0

    def take(self, num_bytes: int) -> None:
        """Count a document that came in."""
        self.taken.add(num_bytes)

    def reject(self, reason: str) -> None:
        """Count one that went no further."""
        count(self.rejected, reason)

    def accept(self, language: str, doc_type: str, num_bytes: int, natural: str = "") -> None:
        """Count one that went on."""
        self.passed.add(num_bytes)
        self.languages.setdefault(language, Amount()).add(num_bytes)
        self.doc_types[language] = doc_type
        if natural:
            count(self.natural.setdefault(language, {}), natural)

    def judge(self, hits: tuple[Hit, ...], *, name: str, language: str, text: str) -> None:
        """Count the rules that hold on a document."""
        for hit in hits:
            tally = self.rules.setdefault(hit.rule.name, Tally())
            tally.hits += 1
            count(tally.by_language, language)
        if len(hits) == 1 and hits[0].value is not None:
            _add_example(self.rules[hits[0].rule.name], hits[0], name, language, text)
        elif len(hits) == 1:
            self.rules[hits[0].rule.name].alone += 1


def count(counts: dict[str, int], key: str, num: int = 1) -> None:
    """Add to a count."""
    counts[key] = counts.get(key, 0) + num


def add(total: Stats, more: Stats) -> None:
    """Add ``more`` to ``total``."""
    total.taken.add(more.taken.bytes, more.taken.documents)
    total.passed.add(more.passed.bytes, more.passed.documents)
    for name in ("rejected", "replaced", "replaced_in", "errors", "outside"):
        _add_counts(getattr(total, name), getattr(more, name))
    for language, amount in more.languages.items():
        total.languages.setdefault(language, Amount()).add(amount.bytes, amount.documents)
    total.doc_types.update(more.doc_types)
    for language, counts in more.natural.items():
        _add_counts(total.natural.setdefault(language, {}), counts)
    for rule, tally in more.rules.items():
        mine = total.rules.setdefault(rule, Tally())
        mine.hits += tally.hits
        mine.alone += tally.alone
        _add_counts(mine.by_language, tally.by_language)
        mine.furthest = _furthest(mine.furthest + tally.furthest)
        mine.nearest = _nearest(mine.nearest + tally.nearest)
    total.no_shingles += more.no_shingles


def _add_counts(total: dict[str, int], more: dict[str, int]) -> None:
    for key, num in more.items():
        count(total, key, num)


def _add_example(tally: Tally, hit: Hit, name: str, language: str, text: str) -> None:
    tally.alone += 1
    value = float(hit.value or 0)
    distance = abs(value - hit.threshold) / (abs(hit.threshold) or 1)
    example = Example(
        id=name, language=language, value=value, threshold=hit.threshold, excerpt=_excerpt(text)
    )
    tally.furthest = _furthest([*tally.furthest, (distance, example)])
    tally.nearest = _nearest([*tally.nearest, (distance, example)])


def _furthest(examples: Iterable[tuple[float, Example]]) -> list[tuple[float, Example]]:
    return heapq.nsmallest(EXAMPLES, examples, key=lambda pair: (-pair[0], pair[1].id))


def _nearest(examples: Iterable[tuple[float, Example]]) -> list[tuple[float, Example]]:
    return heapq.nsmallest(EXAMPLES, examples, key=lambda pair: (pair[0], pair[1].id))


def _excerpt(text: str) -> str:
    # Cut first: the document may be one line of megabytes.
    return "\n".join(text[:_EXCERPT_CHARS].split("\n")[:_EXCERPT_LINES])
