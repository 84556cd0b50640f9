"""Columns of rows: which of them hold what, by the data set they come from.

A new layout is one more entry of ``LAYOUTS``. Names and meanings of the columns are those of the dataset
cards of bigcode/the-stack, bigcode/the-stack-v2, bigcode/starcoderdata and codeparrot/github-code.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where a data set keeps what. Of several columns for one thing, the first with a value counts.

    Attributes:
        name: For people.
        marks: Columns that only this layout has.
        content: The text; without it there is nothing to build from.
        encoding: Encoding of a binary text.
        lacking: What to do if there is no column with the text.
    """

    name: str
    marks: frozenset[str]
    content: tuple[str, ...]
    id: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    repo: tuple[str, ...] = ()
    stars: tuple[str, ...] = ()
    commit_time: tuple[str, ...] = ()
    license: tuple[str, ...] = ()
    encoding: tuple[str, ...] = ()
    lacking: str = "every row needs the text of a file"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        named = (*self.id, *self.path, *self.repo, *self.content, *self.stars)
        return (*named, *self.commit_time, *self.license, *self.encoding)


_OURS = Layout(
    name="opencoder",
    marks=frozenset(),
    id=("id",),
    path=("path",),
    repo=("repo",),
    content=("content", "text"),
    stars=("stars",),
    commit_time=("commit_time",),
    license=("license",),
)

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        # The time of the first star is there, that of the commit is not.
        name="The Stack v1",
        marks=frozenset({"hexsha", "max_stars_repo_name"}),
        id=("hexsha",),
        path=("max_stars_repo_path",),
        repo=("max_stars_repo_name",),
        content=("content",),
        stars=("max_stars_count",),
        license=("max_stars_repo_licenses",),
    ),
    Layout(
        name="The Stack v2",
        marks=frozenset({"blob_id"}),
        id=("blob_id",),
        path=("path",),
        repo=("repo_name",),
        content=("content", "text"),
        stars=("star_events_count",),
        commit_time=("committer_date", "revision_date"),
        license=("detected_licenses",),
        encoding=("src_encoding",),
        lacking="The Stack v2 is published without the files: fetch each by its `blob_id` first and add them "
        "as `content`",
    ),
    Layout(
        # `id` counts within a folder of one language, so it is none here; repository and path are.
        name="starcoderdata",
        marks=frozenset({"max_stars_repo_name"}),
        path=("max_stars_repo_path",),
        repo=("max_stars_repo_name",),
        content=("content",),
        stars=("max_stars_count",),
    ),
    Layout(
        name="github-code",
        marks=frozenset({"code", "repo_name"}),
        path=("path",),
        repo=("repo_name",),
        content=("code",),
        license=("license",),
    ),
    _OURS,
)

COLUMNS = tuple(dict.fromkeys(name for layout in LAYOUTS for name in (*layout.columns, *layout.marks)))
"""Every column that some layout reads."""

_JsonRow = msgspec.defstruct("_JsonRow", [(name, Any, None) for name in COLUMNS])
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_JsonRow)


class _Raw(msgspec.Struct, kw_only=True):
    id: str | int | None = None
    path: str | None = None
    repo: str | None = None
    # Text, or bytes of a binary column; no union of the two can be declared.
    content: Any = None
    stars: int | float | None = None
    commit_time: int | float | str | None = None
    license: str | list[str | None] | None = None
    encoding: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row, whatever its layout was; the fields are those of a document.

    Attributes:
        name: Its id, or in its place ``repo:path`` or the path; None if it has none of them.
    """

    name: str | None
    content: bytes
    path: str | None
    repo: str | None
    stars: int | None
    commit_time: int | None
    license: str | None


@functools.lru_cache(maxsize=256)
def choose_layout(columns: frozenset[str]) -> Layout:
    """Return the layout of rows with these columns."""
    return next(layout for layout in LAYOUTS if layout.marks <= columns)


def no_content(columns: Iterable[str]) -> str | None:
    """Say what is wrong with columns that hold no text, None if they do."""
    present = frozenset(columns)
    layout = choose_layout(present)
    return None if present.intersection(layout.content) else _lacking(layout)


def json_columns(line: bytes) -> frozenset[str] | None:
    """Return the columns with a value in a JSON line, of those that are known; None if it is no row."""
    try:
        row = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return frozenset(name for name in COLUMNS if getattr(row, name) is not None)


def parse_json(line: bytes) -> Row:
    """Return the row of a JSON line.

    Raises:
        ValueError: It is none, or not of the right types; says why in one line.
    """
    try:
        row = _DECODER.decode(line)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text; convert the file") from None
    except msgspec.ValidationError as error:
        raise ValueError(f"wrong row: {_lower(error)}") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"broken JSON: {_lower(error)}") from None
    except RecursionError:
        raise ValueError("broken JSON: nested too deeply") from None
    return parse_values({name: value for name in COLUMNS if (value := getattr(row, name)) is not None})


def parse_values(values: dict[str, Any]) -> Row:
    """Return the row of these columns (those without a value are left out).

    Raises:
        ValueError: Something is missing or of a wrong type; says why in one line.
    """
    layout = choose_layout(frozenset(values))
    try:
        raw = msgspec.convert({field: _first(values, getattr(layout, field)) for field in _FIELDS}, _Raw)
    except msgspec.ValidationError as error:
        raise ValueError(f"wrong row: {_lower(error)}") from None
    path = None if raw.path is None else raw.path.lstrip("/")
    name = path if raw.id is None else str(raw.id)
    if raw.id is None and raw.repo and path:
        name = f"{raw.repo}:{path}"
    return Row(
        name=name,
        content=_content(raw, layout),
        path=path,
        repo=raw.repo,
        stars=_whole(raw.stars, "stars"),
        commit_time=_microseconds(raw.commit_time),
        license=_license(raw.license),
    )


_FIELDS = _Raw.__struct_fields__


def _first(values: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((value for name in names if (value := values.get(name)) is not None), None)


def _lacking(layout: Layout) -> str:
    names = " nor ".join(f"`{name}`" for name in layout.content)
    return f"{'neither' if len(layout.content) > 1 else 'no'} {names}; {layout.lacking}"


def _content(raw: _Raw, layout: Layout) -> bytes:
    content = raw.content
    if content is None:
        raise ValueError(_lacking(layout))
    if isinstance(content, str):
        return content.encode()
    if not isinstance(content, bytes):
        raise ValueError(f"`{layout.content[0]}` must be text, not {type(content).__name__}")
    if raw.encoding is None or raw.encoding.upper() == "UTF-8":
        return content
    try:
        return content.decode(raw.encoding).encode()
    except (LookupError, UnicodeError):
        return content


def _license(value: str | list[str | None] | None) -> str | None:
    names = [value] if isinstance(value, str) else value or []
    return " AND ".join(dict.fromkeys(name for name in names if name)) or None


def _whole(value: float | None, name: str) -> int | None:
    # Tables that came through pandas hold whole numbers as floats, and NaN where one is missing.
    if value is None or math.isnan(value):
        return None
    if math.isinf(value) or value != int(value) or abs(value) > _LARGEST:
        raise ValueError(f"`{name}` must be a whole number of 64 bits, not {value}")
    return int(value)


def _microseconds(value: float | str | None) -> int | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"`commit_time` must be seconds since 1970 or ISO 8601 text, not {value[:40]!r}"
            ) from None
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
        return (time - _EPOCH) // timedelta(microseconds=1)
    if abs(value) > _LARGEST // 1_000_000:
        raise ValueError(f"`commit_time` must be seconds since 1970, not {value}")
    return value * 1_000_000 if isinstance(value, int) else round(value * 1e6)


def _lower(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]
