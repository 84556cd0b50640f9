"""Labelled texts: what they are read from, and how some are held out."""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from opencoder.errors import DataError, UserError
from opencoder.store import read_numbered
from synth.record import SCHEMA, Row
from synth.shapes import to_row

LOWEST, HIGHEST = 0.0, 5.0
"""The scale of the labels: five additive points, as of fineweb-edu and Stack-Edu."""

RUBRIC = "educational"
"""The entry of ``scores`` that a row of ``synth run`` has its label in."""

MIN_LABELS = 50
"""Fewer say nothing: ten held-out texts leave Spearman's correlation open by more than half a unit."""

_TEXT = ("code", "content", "text")
_LABEL = ("label", "score")

_SHINGLE = 5
_BANDS, _ROWS = 8, 8
_PRIME = (1 << 31) - 1
_TOKEN = re.compile(r"[A-Za-z_]+|[^\sA-Za-z_0-9]")


class Label(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A text and what it is worth.

    Attributes:
        text: Code or prose.
        label: From 0 to 5; a fraction where it is the mean of several answers.
        language: Of the code, lower case.
        license: SPDX identifier, empty where it is not known.
        source: File or URL that the text is from.
    """

    text: str
    label: float
    language: str = ""
    license: str = ""
    source: str = ""


def text_of(data: Mapping[str, Any]) -> str:
    """Return what is scored of a row: ``code``, ``content`` or ``text``, else its first user message.

    Raises:
        ValueError: There is none of them, or it is empty or no text.
    """
    for name in _TEXT:
        value = data.get(name)
        if value not in (None, ""):
            if not isinstance(value, str):
                raise ValueError(f"`{name}` is {type(value).__name__}, not text")
            if value.strip():
                return value
    text = to_row(data).instruction
    if not text.strip():
        raise ValueError("no text; a row needs `code`, `content` or `text`, or a user's message")
    return text


def read_labels(path: Path) -> list[Label]:
    """Read a JSON lines file of labels.

    A row has ``code``, ``content`` or ``text``, and ``label`` or ``score``; or it is a record of
    ``synth run`` with ``scores["educational"]``.

    Raises:
        DataError: A row is broken, has no text, or no label from 0 to 5 (with ``file:line``); or there are
            too few rows, or all have one label.
    """
    labels = []
    for line, data in read_numbered(path, dict[str, Any]):
        try:
            labels.append(to_label(data))
        except (msgspec.ValidationError, ValueError) as error:
            raise DataError(f"wrong row: {error}", path=path, line=line) from error
    try:
        check(labels)
    except UserError as error:
        raise DataError(str(error), path=path) from error
    return labels


def check(labels: Sequence[Label]) -> None:
    """Refuse labels that nothing can be learnt from.

    Raises:
        UserError: They are fewer than 50, or all the same.
    """
    if len(labels) < MIN_LABELS:
        raise UserError(f"{len(labels)} labels are too few to train on; label at least {MIN_LABELS} texts")
    if len({label.label for label in labels}) == 1:
        raise UserError(f"all labels are {labels[0].label:g}; there is nothing to learn from them")


def to_label(data: Mapping[str, Any]) -> Label:
    """Make a label of a row.

    Raises:
        ValueError: See :func:`read_labels`.
    """
    if data.get("schema") == SCHEMA:
        row = msgspec.convert(dict(data), Row)
        first = row.prov.seeds[0] if row.prov.seeds else None
        return Label(
            text=text_of(data),
            label=_value(row.scores.get(RUBRIC), f'scores["{RUBRIC}"]'),
            language=row.language.lower(),
            license=first.license if first else "",
            source=(first.path or first.dataset) if first else "",
        )
    name = next((name for name in _LABEL if name in data), "label")
    return Label(
        text=text_of(data),
        label=_value(data.get(name), f"`{name}`"),
        language=str(data.get("language") or data.get("lang") or "").lower(),
        license=str(data.get("license") or ""),
        source=str(data.get("source") or ""),
    )


def _value(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        found = "it is missing" if value is None else f"not {value!r}"
        raise ValueError(f"{name} must be a number from 0 to 5, {found}")
    if not math.isfinite(value) or not LOWEST <= value <= HIGHEST:
        raise ValueError(f"{name} must be from 0 to 5, not {value:g}")
    return float(value)


def split(labels: Sequence[Label], *, held_out: float, seed: int) -> tuple[list[Label], list[Label]]:
    """Return ``(train, held out)``, each in the order of ``labels``.

    Copies and near-copies stay on one side, also those that differ in spaces, digits and case. Groups of
    them are ordered by language, label and a hash of text and seed, and taken out at even distances, so
    that both sides have the same mix. The result does not depend on the order of the labels.

    Args:
        labels: At least two groups of texts.
        held_out: Share of the texts on the second side, near enough: groups are not divided.
        seed: Another seed, another split.

    Raises:
        UserError: One side would be empty.
    """
    keys = [hashlib.sha256(f"{seed}\n{label.text}".encode("utf-8", "replace")).digest() for label in labels]
    groups: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(_groups([label.text for label in labels])):
        groups[group].append(index)

    def place(members: list[int]) -> tuple[str, int, bytes]:
        first = min(members, key=lambda index: (keys[index], labels[index].label))
        return labels[first].language, math.floor(labels[first].label + 0.5), keys[first]

    out: set[int] = set()
    seen = 0
    for members in sorted(groups.values(), key=place):
        if math.floor((seen + len(members)) * held_out) > math.floor(seen * held_out):
            out.update(members)
        seen += len(members)
    if not 0 < len(out) < len(labels):
        raise UserError(
            f"{held_out:g} of {len(labels)} labels in {len(groups)} distinct texts leaves one side empty; "
            "add labels or change --held-out"
        )
    train = [label for index, label in enumerate(labels) if index not in out]
    return train, [label for index, label in enumerate(labels) if index in out]


def _groups(texts: Sequence[str]) -> Iterable[int]:
    """Number the texts so that near-copies get one number.

    MinHash over shingles of five tokens in 8 bands of 8 rows: of pairs with a Jaccard similarity of 0.9
    it joins 99 %, of 0.77 half, of 0.5 3 %.
    """
    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[int, bytes], int] = {}
    for index, text in enumerate(texts):
        for band, rows in enumerate(_signature(text)):
            other = first.setdefault((band, rows), index)
            parent[root(index)] = root(other)
    return [root(index) for index in range(len(texts))]


def _signature(text: str) -> list[bytes]:
    """Return the bands of the MinHash signature of a text."""
    import numpy as np

    tokens = [zlib.crc32(token.encode("utf-8", "replace")) for token in _TOKEN.findall(text.lower())]
    hashes = np.array(tokens or [0], np.uint64)
    count = max(1, len(hashes) - _SHINGLE + 1)
    shingles = np.zeros(count, np.uint64)
    for offset in range(min(_SHINGLE, len(hashes))):
        shingles = (shingles * np.uint64(1_000_003) + hashes[offset : offset + count]) % np.uint64(_PRIME)
    draws = np.random.default_rng(0).integers(1, _PRIME, (2, _BANDS * _ROWS), np.uint64)
    signature = ((np.unique(shingles)[:, None] * draws[0] + draws[1]) % np.uint64(_PRIME)).min(axis=0)
    return [band.tobytes() for band in signature.reshape(_BANDS, _ROWS)]
