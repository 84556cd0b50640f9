"""Where benchmark data comes from: a folder, a wheel, EvalPlus, the Hugging Face hub, in this order.

Every file is pinned by the MD5 of its unpacked content (the hash that evalplus itself records), so it does
not matter who gave it: a file with other content is refused, never scored.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib
import importlib.util
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import zstandard

from eval import hub
from opencoder.errors import DataError, DependencyError
from opencoder.files import reading_from, sha256_file
from opencoder.store import packing

DATA_VARIABLE = "OPENCODER_DATA"
SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")

Origin = Literal["folder", "wheel", "evalplus", "hub"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFile:
    """One pinned file.

    Args:
        name: File name without suffix.
        version: The version as the benchmark's authors write it.
        md5: MD5 of the unpacked content.
        package: Import name of a package that ships the file, and the folder in it.
        evalplus_loader: Function of ``evalplus.data`` that downloads the file into evalplus' cache.
        hub: Where the hub has the same rows.
        repair: The command that makes the file available.
    """

    name: str
    version: str
    md5: str
    repair: str
    package: tuple[str, str] | None = None
    evalplus_loader: str = ""
    hub: hub.HubRows | None = None

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names under which the file is looked for."""
        return tuple(self.name + suffix for suffix in SUFFIXES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """The rows of a data file and where they came from.

    Args:
        rows: As in the file.
        path: The file (for the hub, the first of its files).
        sha256: Of the bytes at ``path``, packed as they are.
        origin: Which kind of place had it.
    """

    rows: list[dict[str, Any]]
    path: Path
    sha256: str
    origin: Origin


def load(file: DataFile) -> Loaded:
    """Find ``file``, check it and read it.

    Raises:
        DataError: A file of that name has other content, or cannot be read.
        DependencyError: No source has it.
    """
    looked: list[str] = []
    for path, origin in _places(file, looked):
        return Loaded(rows=_read(path, file), path=path, sha256=sha256_file(path), origin=origin)
    if fetched := _evalplus_download(file, looked):
        return Loaded(rows=_read(fetched, file), path=fetched, sha256=sha256_file(fetched), origin="evalplus")
    if file.hub and (found := hub.fetch(file.hub, looked)):
        return Loaded(rows=found.rows, path=found.path, sha256=sha256_file(found.path), origin="hub")
    raise DependencyError(
        f"no data file {file.name}.jsonl; looked in " + "; ".join(looked), repair=file.repair
    )


def is_available(file: DataFile) -> bool:
    """Say whether a source has ``file`` or can get it, without reading or fetching anything."""
    if any(True for _ in _places(file, [])):
        return True
    online = hub.is_online()
    return online and bool(
        (file.evalplus_loader and importlib.util.find_spec("evalplus")) or (file.hub and hub.is_installed())
    )


def _places(file: DataFile, looked: list[str]) -> Iterator[tuple[Path, Origin]]:
    """Yield the files of that name on this machine; note the places that have none in ``looked``."""
    folder = os.environ.get(DATA_VARIABLE, "")
    index = _folder_index(folder) if folder else {}
    for name in file.file_names:
        for path in index.get(name, ()):
            yield path, "folder"
    looked.append(f"{DATA_VARIABLE}={folder}" if folder else f"{DATA_VARIABLE} (not set)")
    if file.package:
        package, inner = file.package
        for name in file.file_names:
            if inside := _in_package(package, f"{inner}/{name}"):
                yield inside, "wheel"
        looked.append(f"the package {package}")
    cache = _evalplus_cache()
    for name in file.file_names:
        if (cache / name).is_file():
            yield cache / name, "evalplus"
    looked.append(str(cache))


@functools.lru_cache(maxsize=8)
def _folder_index(folder: str) -> dict[str, tuple[Path, ...]]:
    """Return the data files below ``folder`` by file name, nearest the top first.

    Raises:
        DataError: There is no such folder.
    """
    top = Path(folder).expanduser()
    if not top.is_dir():
        raise DataError(f"not a folder; set {DATA_VARIABLE} to the folder with the data files", path=top)
    index: dict[str, list[Path]] = {}
    for parent, _, names in os.walk(top, followlinks=True):
        for name in names:
            if name.endswith(SUFFIXES):
                index.setdefault(name, []).append(Path(parent) / name)
    return {name: tuple(sorted(paths, key=lambda p: (len(p.parts), p))) for name, paths in index.items()}


def _in_package(package: str, inner: str) -> Path | None:
    """Return a file of an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / inner
        if path.is_file():
            return path
    return None


def _evalplus_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "evalplus"


def _evalplus_download(file: DataFile, looked: list[str]) -> Path | None:
    """Let the evalplus package fetch the file into its cache."""
    if not file.evalplus_loader:
        return None
    if importlib.util.find_spec("evalplus") is None:
        looked.append("the package evalplus (not installed)")
        return None
    if not hub.is_online():
        looked.append("the package evalplus (offline: HF_HUB_OFFLINE is set)")
        return None
    try:
        getattr(importlib.import_module("evalplus.data"), file.evalplus_loader)()
    except Exception as error:  # noqa: BLE001  (any failure of a foreign package means: not from there)
        looked.append(f"the package evalplus ({type(error).__name__}: {error})")
        return None
    path = _evalplus_cache() / f"{file.name}.jsonl"
    if not path.is_file():
        looked.append("the package evalplus (it fetched another version)")
        return None
    return path


def _read(path: Path, file: DataFile) -> list[dict[str, Any]]:
    """Read rows whose content is the pinned one.

    The rows are read with ``json`` because MBPP+ holds ``NaN`` and ``Infinity``, which strict JSON has not.

    Raises:
        DataError: Other content, or not readable.
    """
    with reading_from(path):
        data = _unpack(path)
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != file.md5:
        raise DataError(
            f"not {file.name} {file.version}: the MD5 of its content is {found}, expected {file.md5}; "
            f"replace the file, or set {DATA_VARIABLE} to a folder that has the right one",
            path=path,
        )
    return [json.loads(line) for line in data.split(b"\n") if line.strip()]


def _unpack(path: Path) -> bytes:
    kind = packing(path)
    data = path.read_bytes()
    try:
        if kind == "gzip":
            return gzip.decompress(data)
        if kind == "zstd":
            return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise DataError(f"{kind} data is cut off or damaged; fetch the file again", path=path) from error
    return data
