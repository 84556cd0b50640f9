"""From the counts of the steps to the record of the build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from corpus.pipeline.rejects import REASONS_SEPARATOR
from corpus.pipeline.settings import BuildSettings
from corpus.pipeline.stats import Stats, Tally, add
from corpus.report.schema import (
    Amount,
    BuildReport,
    DuplicateReport,
    LanguageReport,
    RedactionReport,
    RuleReport,
    SampleReport,
    StepReport,
)
from opencoder import __version__
from opencoder.config import plain

STEPS = ("preprocess", "exact", "fuzzy", "transform", "filter", "sample")


def total(stats: Iterable[Mapping[str, Stats]]) -> dict[str, Stats]:
    """Return the sums of the counts of all tasks, by step."""
    sums = {name: Stats() for name in STEPS}
    for item in stats:
        for name, more in item.items():
            add(sums[name], more)
    return sums


def build_report(
    settings: BuildSettings,
    stats: Mapping[str, Stats],
    *,
    bad: Mapping[str, str],
    duplicates: DuplicateReport,
    caps: Mapping[str, int],
) -> BuildReport:
    """Return the record of a build.

    Args:
        settings: Of the build.
        stats: Sums by step.
        bad: Inputs that were skipped.
        duplicates: What deduplication found.
        caps: Caps that took effect, by language.
    """
    read, kept = stats["preprocess"].taken, stats["sample"].passed
    rejected = Amount(
        documents=sum(sum(stats[name].rejected.values()) for name in STEPS), bytes=read.bytes - kept.bytes
    )
    return BuildReport(
        version=__version__,
        settings=plain(settings),
        sources=list(settings.sources),
        bad_shards=dict(bad),
        read=read,
        kept=kept,
        rejected=rejected,
        rejected_by=_rejected_by(stats),
        steps=[_step(name, stats[name]) for name in STEPS],
        languages=_languages(stats),
        rules=_rules(stats["filter"].rules),
        duplicates=duplicates,
        redactions=RedactionReport(
            replaced=_sorted(stats["transform"].replaced), documents=_sorted(stats["transform"].replaced_in)
        ),
        samples=[
            SampleReport(
                language=name,
                cap_bytes=cap,
                before=stats["filter"].languages[name],
                after=stats["sample"].languages.get(name, Amount()),
            )
            for name, cap in sorted(caps.items())
        ],
        not_in_set=_sorted(stats["preprocess"].outside),
        errors=_sorted(stats["filter"].errors),
    )


def _step(name: str, stats: Stats) -> StepReport:
    return StepReport(name=name, taken=stats.taken, passed=stats.passed, rejected=_sorted(stats.rejected))


def _rejected_by(stats: Mapping[str, Stats]) -> dict[str, int]:
    return _sorted(
        {
            f"{name}{REASONS_SEPARATOR}{reason}": num
            for name in STEPS
            for reason, num in stats[name].rejected.items()
        }
    )


def _languages(stats: Mapping[str, Stats]) -> list[LanguageReport]:
    def amount(step: str, name: str) -> Amount:
        return stats[step].languages.get(name, Amount())

    doc_types: dict[str, Any] = stats["preprocess"].doc_types
    rows = [
        LanguageReport(
            language=name,
            doc_type=doc_types[name],
            read=read,
            deduplicated=amount("transform", name),
            filtered=amount("filter", name),
            kept=amount("sample", name),
            natural_languages=_sorted(stats["sample"].natural.get(name, {})),
        )
        for name, read in stats["preprocess"].languages.items()
    ]
    return sorted(rows, key=lambda row: (-row.read.bytes, row.language))


def _rules(rules: Mapping[str, Tally]) -> list[RuleReport]:
    rows = [
        RuleReport(
            rule=name,
            hits=tally.hits,
            alone=tally.alone,
            hits_by_language=_sorted(tally.by_language),
            furthest=[example for _, example in tally.furthest],
            nearest=[example for _, example in tally.nearest],
        )
        for name, tally in rules.items()
    ]
    return sorted(rows, key=lambda row: (-row.alone, -row.hits, row.rule))


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts in one order, the largest first: they come from shards in any."""
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
