"""The description of a mixture, a TOML or YAML file, and what is wrong with one."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from opencoder.config import load_file
from opencoder.errors import DataError, UserError
from synth.licenses import Policy
from synth.record import Flags, Tags, VerifyStatus

PRESETS = Path(__file__).with_name("presets")
_SHARES = ("min_mutants", "min_coverage")


class Where(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Which rows of a source may be drawn; all conditions must hold.

    Attributes:
        status: Verification statuses; a row that was never run has none of them.
        min_mutants: Least share of mutants that the tests kill. Rows that were run and whose code gives no
            mutants pass, rows that were never run do not; the same for ``min_coverage``.
        min_coverage: Least share of the statements that the tests reach.
        languages: Of the code, lower case.
        tags: Tag, and the values that it may have; of ``libraries``, names of which one must occur.
        min_scores: Scorer, and the least value; a row without it does not pass.
        without_flags: Flags that a row must not have.
        license_policy: What the licences of all seeds must allow; a row whose seeds are not known counts as
            of an unknown licence, unless the source names one.
    """

    status: list[VerifyStatus] | None = None
    min_mutants: float | None = None
    min_coverage: float | None = None
    languages: list[str] | None = None
    tags: dict[str, list[str]] = {}
    min_scores: dict[str, float] = {}
    without_flags: list[str] = []
    license_policy: Policy | None = None


class Source(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Where rows come from, and how many are drawn; all of them, once, if nothing is said.

    Attributes:
        path: Folder of a run or mixture, JSON lines or Parquet of a known shape; relative to the folder that
            the command runs in.
        name: Becomes the rows' ``tags.source_set``; else they keep theirs, or get the name of the path.
        rows: So many rows, or all if there are fewer.
        weight: Share in the mixture, relative to the other weights. No row repeats: the mixture is as large
            as the scarcest source allows.
        epochs: Passes over the rows: 0.5 draws half of them, 2.5 all twice and half of them once more.
        license: Of the rows whose seeds are not known.
        where: Which rows may be drawn.
    """

    path: str
    name: str = ""
    rows: int | None = None
    weight: float | None = None
    epochs: float | None = None
    license: str = ""
    where: Where = Where()

    @property
    def label(self) -> str:
        """What the source is called in manifests and messages."""
        return self.name or Path(self.path).name.partition(".")[0] or self.path


class Mixture(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A mixture.

    Attributes:
        sources: In an order that settles ties between duplicates.
        name: Of the data set.
        seed: Of selection and order.
        dedup: Rows with equal words, or nearly so (``near``), are one row; the better-verified copy stays.
        shuffle: Mix the rows of all sources; else source by source, in the order of each.
        max_rows: Rows of the whole mixture, with the shares of the sources kept.
    """

    sources: list[Source]
    name: str = "mixture"
    seed: int = 0
    dedup: Literal["exact", "near", "none"] = "exact"
    shuffle: bool = True
    max_rows: int | None = None


def find_config(name: str) -> Path:
    """Return the file of a mixture: a path, or the name of one that comes with the package.

    Raises:
        UserError: There is neither.
    """
    path = Path(name)
    if path.exists() or path.suffix:
        return path
    known = sorted(preset.stem for preset in PRESETS.glob("*.yaml"))
    if name in known:
        return PRESETS / f"{name}.yaml"
    raise UserError(f"{name}: no such file and no such preset; presets are: {', '.join(known)}")


def load_mixture(path: Path) -> Mixture:
    """Read and check the description of a mixture.

    Raises:
        DataError: A key is not known (with the nearest right one), a value is wrong, or settings exclude one
            another; with the file and the key.
        DependencyError: It is YAML and PyYAML is missing.
        UserError: It is neither TOML nor YAML.
    """
    data = load_file(path)
    for where, key, known in _unknown(data, Mixture, ""):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
        raise DataError(f"unknown key `{where}{key}`; {hint}", path=path)
    try:
        mixture = msgspec.convert(_lists(data), Mixture)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$.")
        at = f"`{where.rstrip('`')}`: " if where else ""
        raise DataError(f"{at}{said[:1].lower()}{said[1:]}", path=path) from error
    for where, said in _faults(mixture):
        raise DataError(f"`{where}`: {said}", path=path)
    return mixture


def _unknown(value: object, kind: Any, where: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield place, key and known keys of what is not known."""
    if isinstance(value, list) and typing.get_origin(kind) is list:
        for number, item in enumerate(value):
            yield from _unknown(item, typing.get_args(kind)[0], f"{where.rstrip('.')}[{number}].")
    if not isinstance(value, dict) or not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return
    hints = typing.get_type_hints(kind)
    known = kind.__struct_fields__
    for key, item in value.items():
        if key not in known:
            yield where, str(key), known
        else:
            yield from _unknown(item, hints[key], f"{where}{key}.")
    open_keys = {"tags": Tags.__struct_fields__} if kind is Where else {}
    for key, names in open_keys.items():
        given = value.get(key)
        for name in given if isinstance(given, dict) else ():
            if name not in names:
                yield f"{where}{key}.", str(name), names


def _lists(data: dict[str, Any]) -> dict[str, Any]:
    """Let a single word stand where a list of words is meant: ``status: pass``."""

    def listed(value: object) -> object:
        return [value] if isinstance(value, str) else value

    def where(given: object) -> object:
        if not isinstance(given, dict):
            return given
        found = {
            key: listed(value) if key in ("status", "languages", "without_flags") else value
            for key, value in given.items()
        }
        if isinstance(tags := found.get("tags"), dict):
            found["tags"] = {key: listed(value) for key, value in tags.items()}
        return found

    sources = data.get("sources")
    if not isinstance(sources, list):
        return data
    changed = [
        {**one, "where": where(one["where"])} if isinstance(one, dict) and "where" in one else one
        for one in sources
    ]
    return {**data, "sources": changed}


def _faults(mixture: Mixture) -> Iterator[tuple[str, str]]:
    """Yield key and fault of what has the right type and cannot be meant."""
    if not mixture.sources:
        yield "sources", "there are none; name at least one"
    if mixture.max_rows is not None and mixture.max_rows < 1:
        yield "max_rows", f"is {mixture.max_rows}; give at least 1"
    labels = [source.label for source in mixture.sources]
    weighted = [source.weight is not None for source in mixture.sources]
    for number, source in enumerate(mixture.sources):
        at = f"sources[{number}]"
        if labels.index(source.label) != number:
            yield f"{at}.name", f"another source is called `{source.label}` too; give it a name of its own"
        amounts = [key for key in ("rows", "weight", "epochs") if getattr(source, key) is not None]
        if len(amounts) > 1:
            yield f"{at}.{amounts[1]}", f"excludes `{amounts[0]}`; leave one out"
        for key in amounts:
            if getattr(source, key) <= 0:
                yield f"{at}.{key}", f"is {getattr(source, key)}; give more than 0"
        if any(weighted) and not weighted[number]:
            yield at, "has no `weight` while others do; give weights to all sources or to none"
        yield from ((f"{at}.where.{key}", said) for key, said in _where_faults(source.where))


def _where_faults(where: Where) -> Iterator[tuple[str, str]]:
    for key in _SHARES:
        share = getattr(where, key)
        if share is not None and not 0 <= share <= 1:
            yield key, f"is {share:g}; give a share from 0 to 1"
    for flag in where.without_flags:
        if flag not in Flags.__struct_fields__:
            near = difflib.get_close_matches(flag, Flags.__struct_fields__, n=1)
            yield (
                "without_flags",
                f"unknown flag `{flag}`; "
                + (
                    f"did you mean `{near[0]}`?"
                    if near
                    else f"there are: {', '.join(Flags.__struct_fields__)}"
                ),
            )
    for name in where.languages or ():
        if not re.fullmatch(r"[^A-Z\s]+", name):
            yield "languages", f"`{name}`: languages are lower case, as in `python`"
