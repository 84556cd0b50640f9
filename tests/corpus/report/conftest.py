"""A record of a build as a large run would leave it, with names and texts that mean harm."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from corpus.dedup.profiles import PROFILES
from corpus.report.schema import (
    Amount,
    BuildReport,
    DuplicateReport,
    Example,
    LanguageReport,
    RedactionReport,
    RuleReport,
    SampleReport,
    StepReport,
)

HOSTILE = (
    '</script></pre><script src="http://evil.example/x.js">alert(1)</script><img src=x onerror=alert(2)>'
)
UNSEEN = "a\u202eb\u2028c\x00d\ud800e\u0007"

NAMES = (
    "html xml javascript java python cpp c php csharp typescript css json markdown ruby go yaml shell sql "
    "rust kotlin swift scala lua perl r haskell dart julia tex groovy powershell clojure elixir erlang ocaml "
    "f# "
    "objective-c solidity vue svelte scss less makefile cmake dockerfile toml ini batchfile fortran pascal "
    "assembly verilog vhdl coq lean nim zig crystal d tcl"
).split()
RETENTION = {
    "html": 0.31,
    "xml": 0.30,
    "javascript": 0.41,
    "java": 0.60,
    "python": 0.55,
    "php": 0.44,
    "go": 0.75,
}
RULES = (
    "qsc_code_num_words qsc_code_num_lines qsc_code_cate_autogen qsc_code_frac_chars_alphabet "
    "qsc_code_frac_chars_top_2grams qsc_code_frac_chars_dupe_10grams qsc_codepython_cate_ast "
    "qsc_code_num_chars_line_max qsc_code_frac_lines_prompt_comments qsc_doc_entropy_unigram"
).split()
CODE = (
    "import os\n\n\ndef main() -> None:\n\tprint('x')  # a comment that goes on, further than a phone is wide"
)


def _amount(documents: float, bytes_each: float) -> Amount:
    return Amount(documents=int(documents), bytes=int(documents * bytes_each))


def _languages(num: int) -> list[LanguageReport]:
    rows = []
    for place, name in enumerate(NAMES[:num]):
        read = 3_412_345 * 0.88**place
        stages = [read, read * 0.24, read * 0.24 * RETENTION.get(name, 0.5)]
        stages.append(stages[-1] * (0.4 if name in ("html", "java") else 1))
        amounts = [_amount(documents, 7000 - 90 * place) for documents in stages]
        rows.append(
            LanguageReport(
                language=name,
                doc_type="data" if name in ("xml", "json", "yaml") else "code",
                read=amounts[0],
                deduplicated=amounts[1],
                filtered=amounts[2],
                kept=amounts[3],
                natural_languages={"en": amounts[3].documents - 12, "zh": 9, "ja": 3},
            )
        )
    return rows


def _total(rows: list[LanguageReport], stage: str) -> Amount:
    amounts = [getattr(row, stage) for row in rows]
    return Amount(documents=sum(a.documents for a in amounts), bytes=sum(a.bytes for a in amounts))


def _steps(rows: list[LanguageReport]) -> list[StepReport]:
    read, left = _total(rows, "read"), _total(rows, "deduplicated")
    found = Amount(documents=read.documents + 912_345, bytes=read.bytes + 21_000_000_000)
    unique = _amount(left.documents * 1.04, left.bytes / max(left.documents, 1))
    redacted = Amount(documents=left.documents, bytes=left.bytes - left.bytes // 90)
    rules, kept = _total(rows, "filtered"), _total(rows, "kept")

    def step(name: str, taken: Amount, passed: Amount, *reasons: str) -> StepReport:
        lost = taken.documents - passed.documents
        parts = dict.fromkeys(reasons[1:], lost // 3)
        first = {reasons[0]: lost - sum(parts.values())} if reasons else {}
        return StepReport(name=name, taken=taken, passed=passed, rejected=first | parts)

    return [
        step("preprocess", found, read, "language", "size", "binary"),
        step("exact", read, unique, "duplicate"),
        step("fuzzy", unique, left, "near_duplicate"),
        step("transform", left, redacted),
        step("filter", redacted, rules, RULES[0], RULES[1], HOSTILE),
        step("sample", rules, kept, "cap"),
    ]


def _rules(num_hits: int) -> list[RuleReport]:
    examples = [
        Example(
            id=f"cpython-{place}.tar/{'very/deep/' * 40}{UNSEEN}.py",
            language="python",
            value=28 - place,
            threshold=30,
            excerpt=excerpt,
        )
        for place, excerpt in enumerate(
            (CODE, HOSTILE, f"{UNSEEN}\n" * 50, "x" * 100_000, "ש" + "\u0301" * 500)
        )
    ]
    return [
        RuleReport(
            rule=name,
            hits=(hits := num_hits // (place + 1)),
            alone=hits // (place + 2),
            hits_by_language={"javascript": hits // 2, "html": hits // 3, "python": hits // 9, "c": 3},
            furthest=examples[:3] if place != 7 else [],
            nearest=examples[2:] if place != 7 else [],
        )
        for place, name in enumerate([*RULES, HOSTILE])
    ]


def _duplicates(exact: int, fuzzy: int) -> DuplicateReport:
    profile = PROFILES["near"]
    return DuplicateReport(
        level="file",
        profile="near",
        threshold=profile.threshold,
        verify=None,
        curve=[(s / 100, profile.chance(s / 100)) for s in range(50, 101)],
        exact=exact,
        fuzzy=fuzzy,
        candidates=fuzzy * 3,
        clusters=fuzzy // 3,
        largest_cluster=10_412,
        spared=0,
        jaccard=[0] * 13
        + [fuzzy // 70, fuzzy // 40, fuzzy // 20, fuzzy // 9, fuzzy // 6, fuzzy // 4, fuzzy // 3],
        cluster_sizes={
            "2": fuzzy // 5,
            "3": fuzzy // 12,
            "4": fuzzy // 20,
            "7": 1712,
            "40": 88,
            "300": 9,
            "10412": 1,
        },
        largest_bucket=2,
        no_shingles=341,
    )


def make_report(num_languages: int = 60) -> BuildReport:
    """Return the record of a build of some languages."""
    languages = _languages(num_languages)
    steps = _steps(languages)
    read, kept = steps[0].taken, steps[-1].passed
    reasons = {f"{step.name}: {reason}": num for step in steps for reason, num in step.rejected.items()}
    lost = [sum(step.rejected.values()) for step in steps]
    return BuildReport(
        version="0.4.0",
        settings={
            "sources": ["/data/github", HOSTILE],
            "redact": True,
            "filter": True,
            "caps": None,
            "profile": {"name": "near", "bands": 128, "rows": 16},
            "seed": 0,
        },
        sources=["/data/github-2023-11", "hub:bigcode/the-stack-v2", HOSTILE, UNSEEN],
        bad_shards={f"/data/github/part-7{HOSTILE}.jsonl.zst": f"cut off after 3 MB {UNSEEN}"},
        read=read,
        kept=kept,
        rejected=Amount(documents=sum(lost), bytes=read.bytes - kept.bytes),
        rejected_by=dict(sorted(reasons.items(), key=lambda pair: -pair[1])),
        steps=steps,
        languages=languages,
        rules=_rules(lost[4]),
        duplicates=_duplicates(lost[1], lost[2]),
        redactions=RedactionReport(
            replaced={
                "copyright_header": 812_345,
                "email": 301_222,
                "ip_address": 40_123,
                "key": 912,
                HOSTILE: 1,
            },
            documents={
                "copyright_header": 812_345,
                "email": 120_000,
                "ip_address": 9_120,
                "key": 800,
                HOSTILE: 1,
            },
        ),
        samples=[
            SampleReport(language=row.language, cap_bytes=10**9, before=row.filtered, after=row.kept)
            for row in languages
            if row.kept.documents < row.filtered.documents
        ],
        not_in_set={"svg": 120_331, "csv": 90_122, HOSTILE: 4},
        errors={"qsc_codejavascript_cate_ast": 14, HOSTILE: 1},
    )


def make_empty() -> BuildReport:
    """Return the record of a build that found nothing."""
    names = ("preprocess", "exact", "fuzzy", "transform", "filter", "sample")
    none = DuplicateReport(
        level="file",
        profile="paper",
        threshold=0.979,
        curve=[],
        exact=0,
        fuzzy=0,
        candidates=0,
        clusters=0,
        largest_cluster=0,
        spared=0,
        verify=None,
        jaccard=[0] * 20,
        cluster_sizes={},
        largest_bucket=0,
        no_shingles=0,
    )
    return BuildReport(
        version="0.4.0",
        settings={},
        sources=[],
        bad_shards={},
        read=Amount(),
        kept=Amount(),
        rejected=Amount(),
        rejected_by={},
        steps=[StepReport(name=name, taken=Amount(), passed=Amount(), rejected={}) for name in names],
        languages=[],
        rules=[],
        duplicates=none,
        redactions=RedactionReport(replaced={}, documents={}),
        samples=[],
        not_in_set={},
        errors={},
    )


@pytest.fixture
def make() -> Callable[[int], BuildReport]:
    """Makes a record with so many languages."""
    return make_report


@pytest.fixture
def report() -> BuildReport:
    return make_report()


@pytest.fixture
def empty() -> BuildReport:
    return make_empty()


@pytest.fixture
def hostile() -> str:
    return HOSTILE
