"""Rows of known data sets as documents: which column holds what.

========================  ==========================================================================
Layout                    Source
========================  ==========================================================================
own                       what this project writes, and anything with ``id`` (or ``path``) and ``content``
                          (or ``text``)
The Stack v1              hub: bigcode/the-stack, the-stack-dedup, the-stack-smol
StarCoder data            hub: bigcode/starcoderdata; numbers of rows are unique within a file only
The Stack v2              hub: bigcode/the-stack-v2, with a column ``content`` added: it is published without
CodeParrot                hub: codeparrot/github-code, codeparrot-clean; rows have no id
========================  ==========================================================================

Times: seconds since 1970, or ISO 8601 text, taken as UTC if it names no zone; in Parquet also timestamps.
Columns that no layout names are ignored.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from corpus.document import Document
from opencoder.errors import DataError
from opencoder.spdx import join_names

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Columns of a data set. Of several for one thing, the first that holds a value counts.

    Attributes:
        name: For messages.
        mark: The column that tells this layout from others.
        id: Name of the row; where there is none, repository and path stand in.
        local_ids: Ids repeat in other files of the data set.
        encoding: Column that names the encoding of contents in bytes.
        missing: What to do where contents are missing, if there is something better to say than that.
    """

    name: str
    mark: str | None
    content: tuple[str, ...] = ("content",)
    id: tuple[str, ...] = ()
    path: tuple[str, ...] = ("path",)
    repo: tuple[str, ...] = ("repo_name",)
    stars: tuple[str, ...] = ()
    commit_time: tuple[str, ...] = ()
    license: tuple[str, ...] = ("license",)
    local_ids: bool = False
    encoding: str | None = None
    missing: str | None = None

    @property
    def columns(self) -> frozenset[str]:
        """All columns that are read."""
        named = (self.content, self.id, self.path, self.repo, self.stars, self.commit_time, self.license)
        single = (name for name in (self.encoding,) if name is not None)
        return frozenset(name for names in named for name in names) | frozenset(single)


OWN = Layout(
    name="own",
    mark=None,
    content=("content", "text"),
    id=("id", "path"),
    repo=("repo",),
    stars=("stars",),
    commit_time=("commit_time",),
)
LAYOUTS = (
    Layout(
        name="The Stack v2",
        mark="blob_id",
        id=("blob_id",),
        stars=("star_events_count",),
        # The committer's clock says when the commit was made; the others when it was recorded and fetched.
        commit_time=("committer_date", "revision_date", "visit_date"),
        license=("detected_licenses", "gha_license_id"),
        encoding="src_encoding",
        missing="rows of The Stack v2 without contents; fetch them by blob_id into a column `content` first",
    ),
    Layout(
        name="The Stack v1",
        mark="hexsha",
        id=("hexsha",),
        path=("max_stars_repo_path",),
        repo=("max_stars_repo_name",),
        stars=("max_stars_count",),
        license=("max_stars_repo_licenses",),
    ),
    Layout(
        name="StarCoder data",
        mark="max_stars_repo_path",
        id=("id",),
        path=("max_stars_repo_path",),
        repo=("max_stars_repo_name",),
        stars=("max_stars_count",),
        license=("max_stars_repo_licenses",),
        local_ids=True,
    ),
    Layout(name="CodeParrot", mark="repo_name", content=("code", "content"), id=("id",)),
    OWN,
)


def layout_of(columns: Collection[str]) -> Layout:
    """Return the layout of rows with these columns."""
    return next(layout for layout in LAYOUTS if layout.mark is None or layout.mark in columns)


def check_columns(columns: Collection[str]) -> Layout:
    """Return the layout of a file with these columns.

    Raises:
        ValueError: No column holds contents, or none names the rows.
    """
    layout = layout_of(columns)
    if "files" in columns and "num_files" in columns:
        raise ValueError("rows are whole repositories (`files`); make one row of each file, with `content`")
    if not set(layout.content) & set(columns):
        raise ValueError(layout.missing or f"neither {_either(layout.content)}{_NEEDED_CONTENT}")
    if not {*layout.id, *layout.path} & set(columns):
        raise ValueError(f"neither {_either(layout.id or layout.path)}{_NEEDED_NAME}")
    return layout


_NEEDED_CONTENT = "; every row needs the text of a file"
_NEEDED_NAME = "; every row needs a name of its own"


def document_of(
    values: Mapping[str, Any], layout: Layout, *, file: Path, line: int, prefix: str = ""
) -> Document:
    """Make a document of a row.

    Raises:
        DataError: A value is missing or of a wrong type.
    """
    try:
        return _document(values, layout, file, line, prefix)
    except ValueError as error:
        raise DataError(str(error), path=file, line=line) from error


def _document(values: Mapping[str, Any], layout: Layout, file: Path, line: int, prefix: str) -> Document:
    content = _first(values, layout.content)
    if content is None:
        raise ValueError(layout.missing or f"neither {_either(layout.content)}{_NEEDED_CONTENT}")
    path = _text(values, layout.path)
    repo = _text(values, layout.repo)
    return Document(
        id=prefix + _name(values, layout, path, repo),
        content=_bytes(content, layout.content[0], _text(values, (layout.encoding or "",))),
        path=path,
        repo=repo,
        stars=_whole(_first(values, layout.stars), layout.stars),
        commit_time=_microseconds(_first(values, layout.commit_time), layout.commit_time),
        license=_license(_first(values, layout.license), layout.license),
        file=file,
        line=line,
    )


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((value for name in names if (value := values.get(name)) is not None), None)


def _text(values: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    value = _first(values, names)
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"wrong row: `{names[0]}` must be text, not {type(value).__name__}")


def _name(values: Mapping[str, Any], layout: Layout, path: str | None, repo: str | None) -> str:
    name = _first(values, layout.id)
    if isinstance(name, bool) or not isinstance(name, str | int | None):
        raise ValueError(f"wrong row: `{layout.id[0]}` must be text, not {type(name).__name__}")
    if name is not None:
        return str(name)
    if path is None:
        raise ValueError(f"neither {_either(layout.id or layout.path)}{_NEEDED_NAME}")
    return path if repo is None else f"{repo}/{path}"


def _bytes(content: Any, name: str, encoding: str | None) -> bytes:
    if isinstance(content, str):
        return content.encode()
    if not isinstance(content, bytes):
        raise ValueError(f"`{name}` must be text, not {type(content).__name__}")
    if encoding is None:
        return content
    try:
        if codecs.lookup(encoding).name in ("utf-8", "ascii"):
            return content
        return content.decode(encoding).encode()
    except (LookupError, ValueError):
        # Not what it is said to be: the steps that follow see the bytes as they are.
        return content


def _license(value: Any, names: tuple[str, ...]) -> str | None:
    if value is None:
        return None
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str | None) for part in parts):
        raise ValueError(f"wrong row: `{names[0]}` must be text or a list of texts")
    return join_names(part for part in parts if part)


def _whole(value: Any, names: tuple[str, ...]) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"wrong row: `{names[0]}` must be a number, not {type(value).__name__}")
    # Tables that came through pandas hold whole numbers as floats, and NaN where one is missing.
    if math.isnan(value):
        return None
    if math.isinf(value) or value != int(value) or abs(value) > _LARGEST:
        raise ValueError(f"`{names[0]}` must be a whole number of 64 bits, not {value}")
    return int(value)


def _microseconds(value: Any, names: tuple[str, ...]) -> int | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"`{names[0]}` must be seconds since 1970 or ISO 8601 text, not {value[:40]!r}"
            ) from None
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
        return (time - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"wrong row: `{names[0]}` must be a number or text, not {type(value).__name__}")
    if abs(value) > _LARGEST // 1_000_000:
        raise ValueError(f"`{names[0]}` must be seconds since 1970, not {value}")
    return value * 1_000_000 if isinstance(value, int) else round(value * 1e6)


def _either(names: tuple[str, ...]) -> str:
    return " nor ".join(f"`{name}`" for name in names)
