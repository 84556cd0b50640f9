"""What a run has come to: counts, tokens, licences, verification; summed over its records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from synth.record import Reject, Row, Verification


@dataclass(kw_only=True, slots=True)
class Account:
    """Sums over rows and rejects.

    Attributes:
        rows: Number of rows.
        rejects: Number of rejects.
        reasons: Rejects by reason.
        stages: Rejects by the stage where they ended.
        calls: Calls to the model that stand behind the records.
        tokens_in: Prompt tokens of these calls.
        tokens_cached: Those that the provider had cached.
        tokens_out: Tokens of the answers.
        dollars: What they cost, where prices were given.
        licenses: Seeds of rows by licence.
        languages: Rows by language.
        tags: Rows by the values of each tag.
        verification: Rows by status, tenth of killed mutants, and tenth of covered lines.
    """

    rows: int = 0
    rejects: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    dollars: float = 0.0
    licenses: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    tags: dict[str, Counter[str]] = field(default_factory=dict)
    verification: dict[str, Counter[str]] = field(default_factory=dict)

    def add_row(self, row: Row) -> None:
        """Count a row."""
        self.rows += 1
        self._spent(row)
        self.licenses.update(seed.license or "unknown" for seed in row.prov.seeds)
        self.languages[row.language or "none"] += 1
        for name in ("difficulty", "task_type", "scenario", "style", "natural_language"):
            if value := getattr(row.tags, name):
                self.tags.setdefault(name, Counter())[value] += 1
        if row.verify is not None:
            self._verified(row.verify)

    def add_reject(self, reject: Reject) -> None:
        """Count a reject."""
        self.rejects += 1
        self.reasons[reject.reason] += 1
        self.stages[reject.stage] += 1
        self._spent(reject.row)

    def told(self) -> dict[str, Any]:
        """Return the sums for the manifest, largest first."""
        return {
            "reasons": dict(self.reasons.most_common()),
            "stages": dict(self.stages.most_common()),
            "usage": {
                "calls": self.calls,
                "tokens_in": self.tokens_in,
                "tokens_cached": self.tokens_cached,
                "tokens_out": self.tokens_out,
                "dollars": round(self.dollars, 6),
            },
            "licenses": dict(self.licenses.most_common()),
            "languages": dict(self.languages.most_common()),
            "tags": {name: dict(counts.most_common()) for name, counts in sorted(self.tags.items())},
            "verification": {
                name: dict(sorted(counts.items())) for name, counts in sorted(self.verification.items())
            },
        }

    def _spent(self, row: Row) -> None:
        self.calls += len(row.prov.calls)
        self.tokens_in += row.prov.tokens_in
        self.tokens_cached += row.prov.tokens_cached
        self.tokens_out += row.prov.tokens_out
        self.dollars += row.prov.dollars

    def _verified(self, found: Verification) -> None:
        self._count("status", found.status)
        if found.mutants:
            self._count("mutants_killed", _tenth(found.killed / found.mutants))
        if found.line_cov is not None:
            self._count("line_coverage", _tenth(found.line_cov))

    def _count(self, what: str, value: str) -> None:
        self.verification.setdefault(what, Counter())[value] += 1


def _tenth(share: float) -> str:
    """Name the tenth that a share falls into; 1 has one of its own."""
    low = min(int(share * 10), 10)
    return "1.0" if low == 10 else f"0.{low}"
