"""Data sets of the Hugging Face hub: fetched into its cache, then read like a folder of rows."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from opencoder.errors import DataError, DependencyError

_ID = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>[^\s/]+))?")
_URL = re.compile(r"hf://datasets/" + _ID.pattern + r"(?:/(?P<path>[^\s]+))?")
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
_SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """A data set of the hub, or a part of it.

    Attributes:
        repo_id: ``owner/name``.
        revision: Branch, tag or commit; None for the main branch.
        path: A file or a folder of it; empty for all.
    """

    repo_id: str
    revision: str | None
    path: str


def data_set(source: str) -> DataSet | None:
    """Return what a source names on the hub, None if it has not the form of such a name."""
    found = _URL.fullmatch(source)
    if found is None and (found := _ID.fullmatch(source)) is None:
        return None
    path = found.groupdict().get("path") or ""
    return DataSet(repo_id=found["id"], revision=found["revision"], path=path.strip("/"))


def fetch(source: DataSet) -> Path:
    """Fetch the files of rows of a data set, those that are not in the cache yet, and return their folder.

    With ``HF_HUB_OFFLINE`` set, only the cache is looked at.

    Raises:
        DataError: It cannot be had.
        DependencyError: ``huggingface_hub`` is not installed.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise DependencyError(
            f"{source.repo_id}: no such file or folder, and to fetch it from the hub needs huggingface_hub",
            repair="pip install 'opencoder[hub]'",
        )
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE
    stars = ("*", "/**") if source.path else ("*",)
    wanted = (
        [source.path]
        if source.path.endswith(_SUFFIXES)
        else [f"{source.path}{star}{suffix}" for star in stars for suffix in _SUFFIXES]
    )
    try:
        folder = importlib.import_module("huggingface_hub").snapshot_download(
            source.repo_id,
            repo_type="dataset",
            revision=source.revision,
            allow_patterns=wanted,
            local_files_only=offline,
        )
    except Exception as error:  # the hub's client raises errors of many packages
        said = " ".join(str(error).split())[:200]
        where = (
            "is not in the cache, and HF_HUB_OFFLINE is set" if offline else "cannot be fetched from the hub"
        )
        raise DataError(
            f"{source.repo_id} is no file or folder here and {where} ({type(error).__name__}: {said}); "
            "check the name and the network, or give a local copy"
        ) from error
    return Path(folder)
