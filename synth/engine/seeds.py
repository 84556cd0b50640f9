"""Seeds: what rows are made from, read lazily and in a fixed order from files and folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from opencoder.store import read_numbered
from synth.recipe.recipe import SeedRules
from synth.record import Library, Row, Seed
from synth.shapes import to_row
from synth.split.clean import clean_page
from synth.split.code import split_code
from synth.split.page import split_page
from synth.split.suffixes import opens_as

_PACKINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_TEXT = ("text", "content", "code", "seed", "output", "snippet")
PageKind = Literal["markdown", "html", "text"]
_PAGES: dict[str, PageKind] = {"markdown": "markdown", "html": "html"}
MAX_BYTES = 4 << 20
"""A larger file of a folder is no seed."""


class SeedUnit(msgspec.Struct, kw_only=True):
    """One seed, or the reason why a text gave none.

    Attributes:
        text: What is shown to the model.
        context: What the text needs besides: imports, the headings above it.
        name: Of the function or section.
        language: Of the code.
        source: Where it comes from.
        row: The row that it is, where seeds are rows.
        libraries: Packages that it is about.
        reason: Why there is no seed; empty where there is one.
        detail: The same in words.
    """

    text: str = ""
    context: str = ""
    name: str = ""
    language: str = ""
    source: Seed = msgspec.field(default_factory=Seed)
    row: Row | None = None
    libraries: list[Library] = []
    reason: str = ""
    detail: str = ""


def read_seeds(sources: Sequence[Path], rules: SeedRules) -> Iterator[SeedUnit]:
    """Yield the seeds of files and folders, in the order of the arguments and of sorted paths.

    A row of a JSON lines or Parquet file is one seed, or more if it is longer than the rules allow; a file of
    a folder is split into its functions and classes, or its sections. What gives no seed is yielded with the
    reason.

    Raises:
        UserError: A source is not there or of no known kind.
        DataError: A file is broken.
    """
    for source in sources:
        if source.is_dir():
            for path in _files(source):
                yield from _from_file(path, rules, root=source)
        elif source.name.endswith(_PACKINGS):
            for line, data in read_numbered(source, dict[str, Any]):
                yield from _from_data(data, rules, source, line)
        elif source.suffix == ".parquet":
            for line, data in enumerate(_parquet(source), 1):
                yield from _from_data(data, rules, source, line)
        elif source.is_file() and opens_as(source):
            yield from _from_file(source, rules, root=source.parent)
        else:
            what = "of no known kind" if source.exists() else "not there"
            raise UserError(
                f"seeds {source}: {what}; give a folder, a source file, .jsonl(.gz, .zst) or .parquet"
            )


def digest_of(source: Path) -> str:
    """Return the SHA-256 of everything that :func:`read_seeds` reads of a source: paths and contents."""
    total = hashlib.sha256()
    for path in _files(source) if source.is_dir() else [source]:
        total.update(str(path.relative_to(source)).encode("utf-8", "surrogateescape") + b"\0")
        with reading_from(path), path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder that are seeds by their names, in a fixed order; links are left out."""
    return [path for path in sorted(folder.rglob("*")) if opens_as(path) and _is_own_file(path)]


def _is_own_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _from_file(path: Path, rules: SeedRules, *, root: Path) -> Iterator[SeedUnit]:
    name = str(path.relative_to(root))
    language = opens_as(path) or ""
    source = Seed(dataset=root.name, path=name)
    with reading_from(path):
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    if data is None:
        yield SeedUnit(
            source=source, reason="too_long", detail=f"{name} is larger than {MAX_BYTES >> 20} MiB"
        )
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield SeedUnit(source=source, reason="not_text", detail=f"{name} is no UTF-8 text")
        return
    yield from _units(text.replace("\r\n", "\n"), language, rules, source, whole=False)


def _from_data(data: dict[str, Any], rules: SeedRules, path: Path, line: int) -> Iterator[SeedUnit]:
    source = Seed(
        dataset=str(data.get("dataset") or path.name),
        revision=str(data.get("revision") or ""),
        path=str(data.get("path") or data.get("url") or f"{path.name}:{line}"),
        license=_license(data),
    )
    if rules.kind == "rows":
        yield _from_row(data, source, path, line)
        return
    text = next((value for key in _TEXT if isinstance(value := data.get(key), str) and value), None)
    if text is None:
        raise DataError(f"no seed: none of {', '.join(_TEXT)} holds a text", path=path, line=line)
    language = str(data.get("language") or data.get("lang") or (rules.languages or [""])[0]).lower()
    for unit in _units(text, language, rules, source, whole=True):
        unit.name = unit.name or str(data.get("name") or "")
        unit.libraries = [
            Library(name=str(one.get("name")), version=str(one.get("version") or ""))
            for one in data.get("libraries") or []
        ]
        yield unit


def _from_row(data: dict[str, Any], source: Seed, path: Path, line: int) -> SeedUnit:
    try:
        row = to_row(data)
    except (msgspec.ValidationError, ValueError) as error:
        raise DataError(f"wrong row: {error}", path=path, line=line) from error
    if not row.instruction.strip():
        return SeedUnit(source=source, reason="no_question", detail="the row asks nothing")
    source.sha256 = _sha256("\n".join(turn.content for turn in row.messages))
    return SeedUnit(text=row.instruction, language=row.language, source=source, row=row)


def _units(text: str, language: str, rules: SeedRules, source: Seed, *, whole: bool) -> Iterator[SeedUnit]:
    """Yield the units of a text; ``whole``: it is one already, unless it is too long."""
    if rules.languages and rules.kind != "page" and language not in rules.languages:
        detail = f"{language or 'an unknown language'}; taken are: {', '.join(rules.languages)}"
        yield SeedUnit(source=source, language=language, reason="other_language", detail=detail)
        return
    kind = _page_kind(text, language)
    if rules.kind == "page":
        # What belongs to the site and not to the page costs tokens and inspires nothing.
        text = clean_page(text, kind)
    if len(text.strip()) < rules.min_chars:
        detail = f"{len(text.strip())} characters, at least {rules.min_chars} are asked for"
        yield SeedUnit(source=source, language=language, reason="too_short", detail=detail)
        return
    if rules.kind == "api" or (whole and len(text) <= rules.max_chars):
        yield _unit(text, "", "", language, source)
        return
    if rules.kind == "page":
        written: PageKind = "markdown" if kind == "html" else kind  # which is what cleaning makes of it
        found = split_page(text, written, min_chars=rules.min_chars, max_chars=rules.max_chars)
    else:
        found = split_code(text, language, min_chars=rules.min_chars, max_chars=rules.max_chars)
    for unit in found.units:
        yield _unit(unit.text, unit.context, unit.name, language, source)
    if not found.units:
        yield SeedUnit(source=source, language=language, reason=found.reason or "no_unit", detail=source.path)


def _page_kind(text: str, language: str) -> PageKind:
    """Say what a page is written in: what its name or row says, else HTML if it begins like that."""
    is_html = text[:200].lstrip().lower().startswith(("<!doctype html", "<html"))
    return "html" if is_html else _PAGES.get(language, "text")


def _unit(text: str, context: str, name: str, language: str, source: Seed) -> SeedUnit:
    own = msgspec.structs.replace(source, sha256=_sha256(text))
    return SeedUnit(text=text, context=context, name=name, language=language, source=own)


def _license(data: dict[str, Any]) -> str:
    value = data.get("license") or data.get("licence") or data.get("licenses") or ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    with reading_from(path):
        file = parquet.ParquetFile(path)
        for batch in file.iter_batches(batch_size=512):
            yield from batch.to_pylist()
