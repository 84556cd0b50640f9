"""Make a mixture: read, filter, drop duplicates, draw, shuffle, write.

Every row that is read is in the end either in the mixture or among the dropped ones, with the reason.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from opencoder.config import config_hash, plain
from opencoder.errors import DataError
from opencoder.files import sha256_file
from opencoder.store import write_json, write_jsonl
from synth.export.about import MANIFEST, read_about
from synth.export.folder import whole_folder
from synth.export.reading import read_all, row_files
from synth.export.tally import Tally, in_order
from synth.mix.config import Mixture, Source
from synth.mix.draw import amounts, drawn, shuffled
from synth.mix.duplicates import find_duplicates
from synth.mix.filters import fault
from synth.mix.pool import Pool
from synth.record import Row, Seed

ROWS = "rows.jsonl"
DROPPED = "dropped.jsonl"
SCHEMA = "synth-mix/1"

_LOG = logging.getLogger(__name__)


class Dropped(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A row that is not in the mixture: a line of ``dropped.jsonl``.

    Attributes:
        id: Of the row.
        source: Label of its source.
        reason: ``filtered:<condition>``, ``duplicate`` or ``not_drawn``.
        detail: Of a filter, what was seen.
        kept: Of a duplicate, the id of the row that stayed.
    """

    id: str
    source: str
    reason: str
    detail: str = ""
    kept: str = ""


class Part(msgspec.Struct, kw_only=True):
    """What became of a source: ``read`` = ``filtered`` + ``duplicates`` + ``not_drawn`` + ``unique``.

    Attributes:
        name: Its label.
        path: As the mixture gives it.
        files: SHA-256 of each of its files, by name.
        recipe: Of the run that it is, where known: name, version, SHA-256.
        read: Rows of it.
        filtered: Those that did not meet the conditions.
        duplicates: Those that repeat a row that stayed, of this or another source.
        not_drawn: Those that were left over.
        unique: Different rows in the mixture.
        repeats: Further copies of them.
        rows: Both together.
        asked: Rows that the mixture asks for, where it gives a number.
        epochs: Rows per row that could be drawn.
        share: Of the rows of the mixture.
        warnings: Rows that a licence policy let pass with a warning, by reason.
    """

    name: str
    path: str
    files: dict[str, str]
    recipe: dict[str, Any]
    read: int = 0
    filtered: int = 0
    duplicates: int = 0
    not_drawn: int = 0
    unique: int = 0
    repeats: int = 0
    rows: int = 0
    asked: int | None = None
    epochs: float = 0.0
    share: float = 0.0
    warnings: dict[str, int] = {}


class Draw(NamedTuple):
    """The rows of a mixture: their places in the pool in the order of the mixture, and the dropped ones."""

    order: Any
    left: Any


def build(mixture: Mixture, out: Path) -> dict[str, Any]:
    """Make a mixture in the folder ``out``, which appears when all is written.

    The same sources and settings give the same bytes.

    Returns:
        The manifest.

    Raises:
        DataError: A source cannot be read.
        DependencyError: A package is missing, or the disk is full.
        UserError: ``out`` holds something else, or nothing can be drawn.
    """
    parts = [_part(source) for source in mixture.sources]
    reasons: Counter[str] = Counter()
    tally = Tally()
    with whole_folder(out, mark=DROPPED) as stage, Pool(stage / ".pool", mixture.seed) as pool:
        filtered = stage / ".filtered.jsonl"
        write_jsonl(filtered, _gather(mixture, parts, pool, reasons))
        pool.seal()
        kept = find_duplicates(pool, mixture.dedup)
        draw = _draw(mixture, parts, pool, kept)
        _write_rows(stage / ROWS, pool, draw, tally)
        _append(filtered, _left(parts, pool, kept, draw.left, reasons))
        filtered.replace(stage / DROPPED)
        manifest = _manifest(mixture, parts, reasons, tally)
        write_json(stage / MANIFEST, manifest)
    return manifest


def _part(source: Source) -> Part:
    path = Path(source.path)
    return Part(
        name=source.label,
        path=source.path,
        files={file.name: sha256_file(file) for file in row_files(path)},
        recipe=read_about(path).table("recipe") if path.is_dir() else {},
        asked=source.rows,
    )


def _gather(mixture: Mixture, parts: list[Part], pool: Pool, reasons: Counter[str]) -> Iterator[Dropped]:
    """Fill the pool; yield what the conditions of the sources take out."""
    for number, (source, part) in enumerate(zip(mixture.sources, parts, strict=True)):
        warnings: Counter[str] = Counter()
        for row in read_all(Path(source.path)):
            part.read += 1
            _mark(row, source)
            if found := fault(row, source.where, warnings):
                part.filtered += 1
                reason = f"filtered:{found.name}"
                reasons[reason] += 1
                yield Dropped(id=row.id, source=part.name, reason=reason, detail=found.detail)
            else:
                pool.add(row, number)
        part.warnings = in_order(warnings)
        _LOG.info("%s: %d rows read, %d filtered", part.name, part.read, part.filtered)


def _mark(row: Row, source: Source) -> None:
    """Say on the row which set it is of, and under which licence where only the source knows."""
    row.tags.source_set = source.name or row.tags.source_set or source.label
    if source.license:
        row.prov.seeds = row.prov.seeds or [Seed(dataset=source.label)]
        for seed in row.prov.seeds:
            seed.license = seed.license or source.license


def _draw(mixture: Mixture, parts: list[Part], pool: Pool, kept: Any) -> Draw:
    import numpy as np

    free = [np.flatnonzero((pool.sources == number) & (kept < 0)) for number in range(len(parts))]
    wanted = amounts(mixture, [len(places) for places in free])
    taken: list[Any] = []
    numbers: list[Any] = []
    for part, places, amount in zip(parts, free, wanted, strict=True):
        chosen, copies = drawn(pool.keys[places], amount)
        _count(part, len(places), len(chosen), int(copies.sum()))
        taken.append(np.repeat(places[chosen], copies))
        numbers.append(np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies))
    total = sum(part.rows for part in parts)
    for part in parts:
        part.share = round(part.rows / total, 6) if total else 0.0
        part.duplicates = part.read - part.filtered - part.not_drawn - part.unique
    all_taken, all_numbers = np.concatenate(taken), np.concatenate(numbers)
    if mixture.shuffle:
        order = np.lexsort((all_taken, shuffled(pool.keys[all_taken], all_numbers)))
    else:
        order = np.lexsort((all_taken, all_numbers, pool.sources[all_taken]))
    left = np.ones(len(pool), dtype=bool)
    left[all_taken] = False
    return Draw(all_taken[order], np.flatnonzero(left))


def _count(part: Part, available: int, unique: int, rows: int) -> None:
    part.unique, part.rows, part.repeats = unique, rows, rows - unique
    part.not_drawn = available - unique
    part.epochs = round(rows / available, 6) if available else 0.0
    if part.asked is not None and rows < part.asked:
        _LOG.warning("%s: %d rows asked for, %d drawn", part.name, part.asked, rows)


def _write_rows(path: Path, pool: Pool, draw: Draw, tally: Tally) -> None:
    def lines() -> Iterator[msgspec.Raw]:
        decoder = msgspec.json.Decoder(Row)
        for place in draw.order.tolist():
            line = pool.line(place)
            tally.add(decoder.decode(line))
            yield msgspec.Raw(line[:-1])

    if not len(draw.order):
        raise DataError("no row is left; loosen the `where` of its sources", path=path.name)
    write_jsonl(path, lines())


def _left(parts: list[Part], pool: Pool, kept: Any, left: Any, reasons: Counter[str]) -> Iterator[Dropped]:
    names = pool.sources
    for place in left.tolist():
        same = int(kept[place])
        dropped = Dropped(id=pool.row(place).id, source=parts[int(names[place])].name, reason="not_drawn")
        if same >= 0:
            dropped.reason, dropped.kept = "duplicate", pool.row(same).id
        reasons[dropped.reason] += 1
        yield dropped


def _append(path: Path, rows: Iterator[Dropped]) -> None:
    encoder = msgspec.json.Encoder()
    with path.open("ab") as file:
        file.writelines(encoder.encode(row) + b"\n" for row in rows)


def _manifest(mixture: Mixture, parts: list[Part], reasons: Counter[str], tally: Tally) -> dict[str, Any]:
    read, unique = sum(part.read for part in parts), sum(part.unique for part in parts)
    return {
        "schema": SCHEMA,
        "name": mixture.name,
        "seed": mixture.seed,
        "config_sha256": config_hash(mixture, volatile=()),
        "config": plain(mixture),
        "counts": {
            "input": read,
            "rows": tally.rows,
            "unique": unique,
            "repeats": tally.rows - unique,
            "dropped": read - unique,
        },
        "reasons": in_order(reasons),
        "sources": parts,
        **tally.summary(),
    }
