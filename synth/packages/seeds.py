"""Seeds of the package recipe: what a model is shown of a name, so that it writes for the version at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from opencoder.store import write_jsonl
from synth.packages.diff import Difference, changes_near
from synth.packages.store import ApiEntry, ApiStore
from synth.packages.usage import sample_members
from synth.record import Library

DOC_CHARS = 1200
"""Longest part of a docstring that is shown."""

EXAMPLES = 2
EXAMPLE_CHARS = 800
SIBLINGS = 12
CHANGES = 8


class ApiSeed(msgspec.Struct, kw_only=True):
    """A row of ``seeds.jsonl``.

    Attributes:
        text: What the model is shown.
        path: Qualified name that the row is about.
        dataset: Distribution and version, as in ``numpy==2.4.0``.
        license: Of the distribution.
        libraries: The distribution again, as rows name it.
        language: Always ``python``.
    """

    text: str
    path: str
    dataset: str
    license: str = ""
    libraries: list[Library] = []
    language: str = "python"


def write_seeds(
    store: ApiStore,
    counts: Mapping[str, int] | None,
    n: int,
    seed: int,
    out: Path,
    *,
    changes: Difference | None = None,
) -> int:
    """Draw names of a store and write a seed row for each; returns how many.

    Args:
        store: The packages.
        counts: Repositories by name (``Usage.names``); None draws with even chances.
        n: How many rows. Beyond the number of names that can be drawn, names come again.
        seed: Of the draw: the same rows for the same seed.
        out: File to write, ``.jsonl`` or a packed form of it.
        changes: What changed since an earlier version (``synth.packages.diff.compare``).

    Raises:
        UserError: The place cannot be written.
    """
    drawn = sample_members(counts or {}, store, n, seed)
    return write_jsonl(out, (make_seed(entry, store, changes) for entry in drawn))


def make_seed(entry: ApiEntry, store: ApiStore, changes: Difference | None = None) -> ApiSeed:
    """Make the seed row of one name."""
    return ApiSeed(
        text=grounding(entry, store, changes),
        path=entry.name,
        dataset=f"{entry.distribution}=={entry.version}",
        license=entry.license,
        libraries=[Library(name=entry.distribution, version=entry.version)],
    )


def grounding(entry: ApiEntry, store: ApiStore, changes: Difference | None = None) -> str:
    """Return what a model needs to know to use a name rightly: text of plain paragraphs.

    These are the signature, the first part of the docstring, up to two examples, what to stay away from, and
    the names beside it.
    """
    parts = [
        f"{entry.distribution} {entry.version}: {entry.kind} `{entry.name}`",
        f"```python\n{entry.name}{_wrapped(entry.signature)}\n```" if entry.signature else "",
        _explanation(entry),
    ]
    examples = [one for one in entry.examples if len(one) <= EXAMPLE_CHARS][:EXAMPLES]
    if examples:
        parts.append(
            "Examples from its documentation:\n" + "\n".join(f"```pycon\n{one}\n```" for one in examples)
        )
    if entry.since:
        parts.append(f"There since version {entry.since}.")
    if avoid := _to_avoid(entry, store, changes):
        parts.append("Do not use:\n" + "\n".join(f"- {line}" for line in avoid))
    if siblings := _siblings(entry, store):
        parts.append(f"Also in `{entry.parent}`: {', '.join(siblings)}.")
    return "\n\n".join(filter(None, parts)) + "\n"


def _explanation(entry: ApiEntry) -> str:
    """Return the docstring up to its examples, cut between paragraphs."""
    prose = entry.doc.partition(">>>")[0].rstrip()
    for heading in ("Examples\n--------", "Examples:", "Example:", "Examples\n========"):
        prose = prose.removesuffix(heading).rstrip()
    kept: list[str] = []
    left = DOC_CHARS
    for paragraph in prose.split("\n\n"):
        left -= len(paragraph)
        if left < 0:
            break
        kept.append(paragraph)
    return "\n\n".join(kept) or entry.summary[:DOC_CHARS]


def _to_avoid(entry: ApiEntry, store: ApiStore, changes: Difference | None) -> list[str]:
    lines = changes_near(changes, entry.name)[:CHANGES] if changes is not None else []
    beside = [
        one
        for one in store.members(entry.parent)
        if one.deprecated and one.parent == entry.parent and one.name != entry.name
    ]
    lines += [f"{one.name}: {one.deprecated[:200]}" for one in beside[: CHANGES - len(lines)]]
    return lines


def _siblings(entry: ApiEntry, store: ApiStore) -> list[str]:
    """Return names beside an entry, nearest in the alphabet, in the order of the alphabet."""
    names = [one.name for one in store.members(entry.parent) if one.is_callable and not one.deprecated]
    if entry.name not in names:
        return [name.rpartition(".")[2] for name in names[:SIBLINGS]]
    here = names.index(entry.name)
    start = max(0, min(here - SIBLINGS // 2, len(names) - SIBLINGS - 1))
    near = names[start : start + SIBLINGS + 1]
    return [name.rpartition(".")[2] for name in near if name != entry.name]


def _wrapped(signature: str) -> str:
    """Break a long signature after its commas at the outer level."""
    if len(signature) <= 100:
        return signature
    parts, depth, start = [], 0, 1
    for index, sign in enumerate(signature):
        depth += (sign in "([{") - (sign in ")]}")
        if (sign == "," and depth == 1) or (sign == ")" and depth == 0):
            parts.append(signature[start : index + (sign == ",")].strip())
            start = index + 1
            if depth == 0:
                return "(\n" + "".join(f"    {part}\n" for part in parts) + ")" + signature[index + 1 :]
    return signature
