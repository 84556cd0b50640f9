"""What changed between two versions of a package, for prompts that must not teach what is gone."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator

import msgspec

from synth.packages.store import ApiEntry, ApiParameter, ApiStore

_ALIKE = 0.6
"""Least likeness of two names, or of two lists of parameters, for a renaming."""


class Renamed(msgspec.Struct, frozen=True):
    """A name that is gone, and a new one beside it that looks like the same thing."""

    old: str
    new: str


class Changed(msgspec.Struct, frozen=True):
    """A callable that takes other arguments now; ``changes`` says which, each on its own."""

    name: str
    changes: list[str]


class Difference(msgspec.Struct, kw_only=True):
    """What changed from one store to another; names are sorted.

    Attributes:
        added: Public names that are new.
        removed: Public names that lead nowhere any more, renamed ones included.
        renamed: Guesses which of the new ones took the place of a removed one.
        changed: Callables that take other arguments.
        deprecated: Names that are on their way out and were not before.
    """

    added: list[str] = []
    removed: list[str] = []
    renamed: list[Renamed] = []
    changed: list[Changed] = []
    deprecated: list[str] = []


def compare(old: ApiStore, new: ApiStore) -> Difference:
    """Compare two stores of the same distributions by names and signatures."""
    removed = [entry for entry in old if new.get(entry.name) is None]
    added = [entry for entry in new if old.get(entry.name) is None]
    kept = [(entry, now) for entry in old if (now := new.get(entry.name)) is not None]
    changed = ((now.name, parameter_changes(entry, now)) for entry, now in kept)
    return Difference(
        added=[entry.name for entry in added],
        removed=[entry.name for entry in removed],
        renamed=list(_renamed(removed, added)),
        changed=[Changed(name, changes) for name, changes in changed if changes],
        deprecated=[now.name for entry, now in kept if now.deprecated and not entry.deprecated],
    )


def parameter_changes(old: ApiEntry, new: ApiEntry) -> list[str]:
    """Say what a callable takes that it did not take, and the other way round."""
    if not old.is_callable or not old.parameters or not (new.parameters or new.signature == "()"):
        return []
    before = {one.name: one for one in old.parameters}
    after = {one.name: one for one in new.parameters}
    lines = [f"parameter {name} is gone" for name in before if name not in after]
    for name, one in after.items():
        if name not in before:
            must = one.default is None and one.kind not in ("var_positional", "var_keyword")
            lines.append(f"new {'required ' if must else ''}parameter {name}")
        else:
            lines += _parameter_change(before[name], one)
    return lines


def changes_near(difference: Difference, name: str) -> list[str]:
    """Say what changed about a name and about its neighbours, for a prompt: a line each.

    Args:
        difference: What changed.
        name: A name of the new store.
    """
    parent = name.rpartition(".")[0]
    lines = [f"{one.name}: {', '.join(one.changes)}" for one in difference.changed if one.name == name]
    renamed = {one.old: one.new for one in difference.renamed}
    for gone in difference.removed:
        if gone in renamed and (renamed[gone] == name or gone.rpartition(".")[0] == parent):
            lines.append(f"{gone} is gone; {renamed[gone]} seems to have taken its place")
        elif gone.rpartition(".")[0] == parent:
            lines.append(f"{gone} is gone")
    lines += [f"{one} is deprecated" for one in difference.deprecated if one.rpartition(".")[0] == parent]
    return lines


def _parameter_change(old: ApiParameter, new: ApiParameter) -> Iterator[str]:
    name = new.name
    if old.default is None and new.default is not None:
        yield f"parameter {name} is optional now"
    elif old.default is not None and new.default is None:
        yield f"parameter {name} must be given now"
    elif old.default != new.default and "..." not in (old.default, new.default):
        yield f"the default of {name} is {new.default} now, it was {old.default}"
    if old.kind != new.kind and new.kind in ("keyword", "positional"):
        yield f"parameter {name} can only be given by {'name' if new.kind == 'keyword' else 'position'} now"


def _renamed(removed: Iterable[ApiEntry], added: Collection[ApiEntry]) -> Iterator[Renamed]:
    """Pair each removed entry with the new one beside it that is most like it, if any is."""
    by_parent: dict[str, list[ApiEntry]] = {}
    for entry in added:
        by_parent.setdefault(entry.parent, []).append(entry)
    for entry in removed:
        beside = [one for one in by_parent.get(entry.parent, []) if one.kind == entry.kind]
        likeness, best = max(((_likeness(entry, one), one.name) for one in beside), default=(0.0, ""))
        if likeness >= _ALIKE:
            yield Renamed(entry.name, best)


def _likeness(old: ApiEntry, new: ApiEntry) -> float:
    """Return how alike two entries are, from 0 to 1: name, parameters and summary, where there are any."""
    names = difflib.SequenceMatcher(a=old.name, b=new.name, autojunk=False)
    names.set_seqs(old.name.rpartition(".")[2], new.name.rpartition(".")[2])
    parts = [names.ratio()]
    if old.parameters or new.parameters:
        before, after = [one.name for one in old.parameters], [one.name for one in new.parameters]
        parts.append(difflib.SequenceMatcher(a=before, b=after, autojunk=False).ratio())
    if old.summary and new.summary:
        parts.append(difflib.SequenceMatcher(a=old.summary, b=new.summary, autojunk=False).ratio())
    return sum(parts) / len(parts)
