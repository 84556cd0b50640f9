"""Benchmark rows from the Hugging Face hub, which keeps them as Parquet, at pinned revisions."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opencoder.errors import DataError

_MODULES = ("huggingface_hub", "pyarrow")
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})


@dataclass(frozen=True, kw_only=True, slots=True)
class HubRows:
    """A data set on the hub.

    Args:
        repo_id: The data set's id.
        revision: A commit.
        files: Parquet files that together hold the rows.
        md5: Of the rows as JSON lines with sorted keys, in order of the task number.
    """

    repo_id: str
    revision: str
    files: tuple[str, ...]
    md5: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """Rows from the hub and the first of the files that held them."""

    rows: list[dict[str, Any]]
    path: Path


def is_online() -> bool:
    """Say whether fetching is allowed (``HF_HUB_OFFLINE``)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() not in _TRUE


def is_installed() -> bool:
    """Say whether the packages that reading from the hub takes are there."""
    return all(importlib.util.find_spec(name) for name in _MODULES)


def fetch(source: HubRows, looked: list[str]) -> Fetched | None:
    """Return the rows of ``source``, from the hub's cache where it has them.

    Args:
        source: What to fetch.
        looked: Gets a note if there is nothing.

    Raises:
        DataError: The hub gave other rows than the pinned ones.
    """
    where = f"the hub's {source.repo_id}"
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        looked.append(f"{where} ({' and '.join(missing)} not installed)")
        return None
    download = importlib.import_module("huggingface_hub").hf_hub_download
    read_table = importlib.import_module("pyarrow.parquet").read_table
    try:
        paths = [
            Path(
                download(
                    source.repo_id,
                    name,
                    repo_type="dataset",
                    revision=source.revision,
                    local_files_only=not is_online(),
                )
            )
            for name in source.files
        ]
    except Exception as error:  # noqa: BLE001  (any failure of the hub means: not from there)
        looked.append(f"{where} ({type(error).__name__})")
        return None
    rows = sorted((row for path in paths for row in read_table(path).to_pylist()), key=task_number)
    if (found := rows_md5(rows)) != source.md5:
        raise DataError(
            f"rows of {source.repo_id} at {source.revision} have the MD5 {found}, expected {source.md5}; "
            "delete this file and fetch it again, or use another source",
            path=paths[0],
        )
    return Fetched(rows=rows, path=paths[0])


def task_number(row: dict[str, Any]) -> int:
    """Return the number in a row's task id."""
    return int(str(row["task_id"]).rpartition("/")[2])


def rows_md5(rows: list[dict[str, Any]]) -> str:
    """Return the MD5 of ``rows`` as JSON lines with sorted keys."""
    digest = hashlib.md5(usedforsecurity=False)
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
