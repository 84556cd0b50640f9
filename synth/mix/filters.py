"""Why a row of a source may not be drawn."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from synth.licenses import policy
from synth.mix.config import Where
from synth.record import Row, Verification


class Fault(NamedTuple):
    """A condition that a row does not meet: its name in the description of the mixture, and what was seen."""

    name: str
    detail: str


def fault(row: Row, where: Where, warnings: Counter[str]) -> Fault | None:
    """Return the first condition that the row does not meet.

    Args:
        row: The row.
        where: The conditions.
        warnings: Counts what a licence policy lets pass with a warning, by reason.
    """
    return _verified(row.verify, where) or _kind(row, where) or _licence(row, where, warnings)


def _verified(verify: Verification | None, where: Where) -> Fault | None:
    status = "unverified" if verify is None else verify.status
    if where.status is not None and status not in where.status:
        return Fault("status", status)
    ran = verify is not None and verify.runs > 0
    if where.min_mutants is not None:
        if not ran:
            return Fault("min_mutants", status)
        if verify and verify.killed < where.min_mutants * verify.mutants:
            return Fault("min_mutants", f"{verify.killed} of {verify.mutants}")
    if where.min_coverage is not None:
        if not ran:
            return Fault("min_coverage", status)
        if verify and verify.line_cov is not None and verify.line_cov < where.min_coverage:
            return Fault("min_coverage", f"{verify.line_cov:g}")
    return None


def _kind(row: Row, where: Where) -> Fault | None:
    if where.languages is not None and row.language not in where.languages:
        return Fault("languages", row.language)
    for name, wanted in where.tags.items():
        found = getattr(row.tags, name)
        held = [one.name for one in found] if isinstance(found, list) else [found]
        if not set(held) & set(wanted):
            return Fault(f"tags.{name}", ", ".join(held))
    for name, least in where.min_scores.items():
        value = row.scores.get(name)
        if value is None or value < least:
            return Fault(f"min_scores.{name}", "no score" if value is None else f"{value:g}")
    for name in where.without_flags:
        if raised := getattr(row.flags, name):
            return Fault(
                f"without_flags.{name}", ", ".join(raised) if isinstance(raised, list) else str(raised)
            )
    return None


def _licence(row: Row, where: Where, warnings: Counter[str]) -> Fault | None:
    if where.license_policy is None:
        return None
    rulings = {
        policy(name, where.license_policy) for name in {seed.license for seed in row.prov.seeds} or {""}
    }
    for ruling in sorted(rulings):
        if ruling.verdict == "blocked":
            return Fault("license_policy", ruling.reason)
    warnings.update(ruling.reason for ruling in rulings if ruling.verdict == "warned")
    return None
