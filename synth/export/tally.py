"""What the rows of a data set are, counted as they pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from synth.licenses import license_name
from synth.record import Row, Verification

CLASSES = 10


class Tally:
    """Counts of rows; it takes room for kinds of rows, not for rows.

    Attributes:
        rows: All of them.
        turns: Rows by their number of turns of the user: ``1`` or ``more``.
        kinds: Per tag (``difficulty``, ``language`` …), rows by its value; empty where a row has none.
        libraries: Rows by library.
        recipes: Rows by recipe.
        models: Rows by model.
        prompts: Rows by name and hash of a prompt template.
        seeds: Seeds by data set and revision.
        licenses: Seeds by licence, as :func:`synth.licenses.license_name` spells it.
        unseeded: Rows without a seed.
        status: Rows by verification status; ``unverified`` where nothing was run.
        mutants: Verified rows by the share of mutants that their tests kill, in ten classes.
        coverage: The same by the share of statements reached.
        flags: Rows by flag.
        usage: Tokens and dollars of all rows.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.turns: Counter[str] = Counter()
        names = ("language", "natural_language", "difficulty", "task_type", "scenario", "style", "source_set")
        self.kinds: dict[str, Counter[str]] = {name: Counter() for name in names}
        self.libraries: Counter[str] = Counter()
        self.recipes: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.prompts: Counter[tuple[str, str]] = Counter()
        self.seeds: Counter[tuple[str, str]] = Counter()
        self.licenses: Counter[str] = Counter()
        self.unseeded = 0
        self.status: Counter[str] = Counter()
        self.mutants = [0] * CLASSES
        self.coverage = [0] * CLASSES
        self.flags: Counter[str] = Counter()
        self.usage: dict[str, float] = {"tokens_in": 0, "tokens_cached": 0, "tokens_out": 0, "dollars": 0.0}

    def add(self, row: Row) -> None:
        """Count a row."""
        self.rows += 1
        self.turns["1" if sum(turn.role == "user" for turn in row.messages) <= 1 else "more"] += 1
        for name, counter in self.kinds.items():
            counter[row.language if name == "language" else getattr(row.tags, name)] += 1
        self.libraries.update({one.name for one in row.tags.libraries})
        self._provenance(row)
        self._verification(row.verify)
        flags = ((name, getattr(row.flags, name)) for name in row.flags.__struct_fields__)
        self.flags.update(name for name, raised in flags if raised)

    def summary(self) -> dict[str, Any]:
        """Return what a manifest holds of it: usage, licences, verification."""
        return {
            "usage": {**self.usage, "dollars": round(self.usage["dollars"], 6)},
            "licenses": in_order(self.licenses),
            "verification": {
                "status": in_order(self.status),
                "mutant_deciles": self.mutants,
                "coverage_deciles": self.coverage,
            },
        }

    def _provenance(self, row: Row) -> None:
        self.recipes[row.prov.recipe] += 1
        self.models[row.prov.model] += 1
        self.prompts.update(row.prov.prompts.items())
        self.seeds.update((seed.dataset, seed.revision) for seed in row.prov.seeds)
        self.licenses.update(license_name(seed.license) for seed in row.prov.seeds)
        self.unseeded += not row.prov.seeds
        for name in self.usage:
            self.usage[name] += getattr(row.prov, name)

    def _verification(self, verify: Verification | None) -> None:
        self.status["unverified" if verify is None else verify.status] += 1
        if verify is None:
            return
        if verify.mutants:
            self.mutants[_class(verify.killed / verify.mutants)] += 1
        if verify.line_cov is not None:
            self.coverage[_class(verify.line_cov)] += 1


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts from the largest down, equal ones by name, without zeros."""
    return {name: num for name, num in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if num}


def _class(share: float) -> int:
    return min(max(int(share * CLASSES + 1e-9), 0), CLASSES - 1)
