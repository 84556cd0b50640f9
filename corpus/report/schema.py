"""The record of a build, ``report.json``: it follows from input and settings, never from time or chance."""

from __future__ import annotations

import msgspec

SCHEMA_VERSION = 1


class Amount(msgspec.Struct, kw_only=True):
    """Documents and the bytes of their contents."""

    documents: int = 0
    bytes: int = 0

    def add(self, num_bytes: int, num_documents: int = 1) -> None:
        """Count one document, or several."""
        self.documents += num_documents
        self.bytes += num_bytes


class StepReport(msgspec.Struct, kw_only=True):
    """What one step let through.

    Attributes:
        name: ``preprocess``, ``exact``, ``fuzzy``, ``transform``, ``filter`` or ``sample``.
        taken: What came in.
        passed: What went on.
        rejected: Documents by reason.
    """

    name: str
    taken: Amount
    passed: Amount
    rejected: dict[str, int]


class LanguageReport(msgspec.Struct, kw_only=True):
    """One language on its way through the steps.

    Attributes:
        read: As found by the readers.
        deduplicated: After both deduplications; what the filter sees.
        filtered: After the filter.
        kept: After sampling; what was written.
        natural_languages: Documents by natural language (``en``, ``zh``, ``ja``) of what was kept.
    """

    language: str
    doc_type: str
    read: Amount
    deduplicated: Amount
    filtered: Amount
    kept: Amount
    natural_languages: dict[str, int]


class Example(msgspec.Struct, kw_only=True):
    """A document that one rule alone dropped.

    Attributes:
        excerpt: Its first lines.
    """

    id: str
    language: str
    value: float
    threshold: float
    excerpt: str


class RuleReport(msgspec.Struct, kw_only=True):
    """One rule, over all documents that the filter saw.

    Attributes:
        hits: Documents on which it holds.
        alone: Documents that no other rule drops.
        hits_by_language: Documents on which it holds, by language.
        furthest: Dropped by it alone, those furthest beyond the threshold.
        nearest: Dropped by it alone, those nearest to the threshold.
    """

    rule: str
    hits: int
    alone: int
    hits_by_language: dict[str, int]
    furthest: list[Example]
    nearest: list[Example]


class DuplicateReport(msgspec.Struct, kw_only=True):
    """Deduplication.

    Attributes:
        level: ``file``, ``chunk``, ``repo`` or ``none``.
        threshold: Similarity near which pairs begin to be found.
        verify: Least Jaccard similarity of what was dropped; None if the bands alone decide.
        curve: ``[similarity, probability]`` of a pair to be found, from 0.5 to 1.
        candidates: Edges that the bands gave, one per member of a bucket but the first.
        jaccard: Dropped near-duplicates by their Jaccard similarity to the one that stayed, in twenty classes
            of 0.05 from 0 to 1; 1 itself is in the last.
        spared: Members of clusters that stay because they are too little like the best (``verify``).
        cluster_sizes: Number of clusters of 2, 3 or 4, 5 to 8, 9 to 16 ... documents, by the upper end;
            as text, because JSON has no other keys.
        largest_bucket: Documents of the largest bucket; many hint at boilerplate.
        no_shingles: Documents without a word, which are never near-duplicates.
    """

    level: str
    profile: str
    threshold: float
    verify: float | None
    curve: list[tuple[float, float]]
    exact: int
    fuzzy: int
    candidates: int
    clusters: int
    largest_cluster: int
    spared: int
    jaccard: list[int]
    cluster_sizes: dict[str, int]
    largest_bucket: int
    no_shingles: int


class RedactionReport(msgspec.Struct, kw_only=True):
    """What was replaced or removed.

    Attributes:
        replaced: Places by kind: ``copyright_header``, ``email``, ``ip_address``, ``key``, ``password``,
            ``name``.
        documents: Documents with at least one place, by kind.
    """

    replaced: dict[str, int]
    documents: dict[str, int]


class SampleReport(msgspec.Struct, kw_only=True):
    """A language that had more than its cap."""

    language: str
    cap_bytes: int
    before: Amount
    after: Amount


class BuildReport(msgspec.Struct, kw_only=True):
    """A whole build; ``read.documents == kept.documents + rejected.documents`` always holds.

    Attributes:
        settings: What decides the outcome, as in ``config.toml``.
        sources: The inputs as the user named them.
        bad_shards: Inputs that were skipped because they cannot be read: place and reason.
        rejected_by: Documents by ``step: reason``.
        languages: Most bytes read first.
        rules: Most documents dropped alone first.
        not_in_set: Languages found that are not in the default set, with documents.
    """

    schema_version: int = SCHEMA_VERSION
    version: str
    settings: dict[str, object]
    sources: list[str]
    bad_shards: dict[str, str]
    read: Amount
    kept: Amount
    rejected: Amount
    rejected_by: dict[str, int]
    steps: list[StepReport]
    languages: list[LanguageReport]
    rules: list[RuleReport]
    duplicates: DuplicateReport
    redactions: RedactionReport
    samples: list[SampleReport]
    not_in_set: dict[str, int]
    errors: dict[str, int]
    """Signals that failed, with documents."""
