"""What a rule is, how sets of rules are derived from each other, and what a file's hits decide."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from corpus.signals.base import Value

Decision = Literal["keep", "drop", "random"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One condition for dropping a file.

    Args:
        signal: The signal that it looks at; a rule bears its signal's name.
        below: Values strictly below are hits.
        above: Values strictly above are hits.
        equal: This very value is a hit.
        chance: Share of the files with a hit that it drops.
    """

    signal: str
    below: float | None = None
    above: float | None = None
    equal: float | None = None
    chance: float = 1.0

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.signal

    @property
    def limit(self) -> float:
        """One threshold, for a signal without a value."""
        return next(item for item in (self.equal, self.below, self.above) if item is not None)

    def crossed(self, value: Value) -> float | None:
        """The threshold that ``value`` crosses, None if it crosses none; a null value never does."""
        if value is None:
            return None
        if self.equal is not None and value == self.equal:
            return self.equal
        if self.below is not None and value < self.below:
            return self.below
        if self.above is not None and value > self.above:
            return self.above
        return None


class Hit(NamedTuple):
    """A rule whose condition holds."""

    rule: Rule
    value: Value
    threshold: float


class Verdict(NamedTuple):
    """What the rules say of a file.

    Args:
        hits: Rules that drop it.
        random_hits: Rules that would drop only a share of such files.
        decision: ``random`` where only the latter hold and nothing settles them.
    """

    hits: tuple[Hit, ...]
    random_hits: tuple[Hit, ...]
    decision: Decision


def apply(rules: Iterable[Rule], values: Mapping[str, Value], failed: Collection[str] = ()) -> Verdict:
    """Judge a file by its signals; a rule whose signal is missing or null does not hold.

    Args:
        rules: The rules.
        values: The signals.
        failed: Signals that could not be computed: their rules hold, so that no file passes unseen.
    """
    found = []
    for rule in rules:
        value = values.get(rule.signal)
        threshold = rule.limit if rule.signal in failed else rule.crossed(value)
        if threshold is not None:
            found.append(Hit(rule, value, threshold))
    hits = tuple(hit for hit in found if hit.rule.chance == 1)
    random_hits = tuple(hit for hit in found if hit.rule.chance < 1)
    decision: Decision = "drop" if hits else "random" if random_hits else "keep"
    return Verdict(hits, random_hits, decision)


def settle(verdict: Verdict, key: bytes) -> Verdict:
    """Decide rules of chance by a hash of the file and the rule's name, the same in every run.

    Args:
        verdict: What the rules say.
        key: The file's content.

    Returns:
        A verdict whose ``hits`` hold the rules of chance that drop the file too; ``random_hits`` are those
        that let it pass.
    """
    if not verdict.random_hits:
        return verdict
    dropping = [hit for hit in verdict.random_hits if _draw(key, hit.rule.name) < hit.rule.chance]
    hits = (*verdict.hits, *dropping)
    passed = tuple(hit for hit in verdict.random_hits if hit not in dropping)
    return Verdict(hits, passed, "drop" if hits else "keep")


def _draw(key: bytes, name: str) -> float:
    """A number from 0 to below 1."""
    digest = hashlib.blake2b(key, digest_size=8, person=b"chance", salt=b"")
    digest.update(b"\0" + name.encode())
    return int.from_bytes(digest.digest()[:6]) / 2**48


def without(rules: Iterable[Rule], *signals: str) -> tuple[Rule, ...]:
    """``rules`` except those on ``signals``."""
    return tuple(rule for rule in rules if rule.signal not in signals)


def replaced(rules: Iterable[Rule], *others: Rule) -> tuple[Rule, ...]:
    """``rules`` with ``others`` in the place of those on the same signals."""
    by_signal = {rule.signal: rule for rule in others}
    return tuple(by_signal.get(rule.signal, rule) for rule in rules)
