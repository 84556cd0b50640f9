"""Counts which packages and names the code of a corpus uses, and draws names by how much they are used."""

from __future__ import annotations

import ast
import hashlib
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from opencoder.errors import DataError, DependencyError
from opencoder.store import read_numbered
from synth.packages.store import ApiEntry, ApiStore
from synth.packages.uses import find_uses

# Import names of common distributions that go by another name.
DISTRIBUTIONS = {
    "Bio": "biopython", "Crypto": "pycryptodome", "OpenSSL": "pyOpenSSL", "PIL": "pillow", "attr": "attrs",
    "bs4": "beautifulsoup4", "cairo": "pycairo", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "discord": "discord.py", "django_filters": "django-filter", "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu", "fitz": "PyMuPDF", "git": "GitPython", "google.protobuf": "protobuf",
    "igraph": "python-igraph", "jose": "python-jose", "jwt": "PyJWT", "kafka": "kafka-python",
    "ldap": "python-ldap", "magic": "python-magic", "markdown": "Markdown", "mpl_toolkits": "matplotlib",
    "multipart": "python-multipart", "mysql": "mysql-connector-python", "nacl": "PyNaCl",
    "pkg_resources": "setuptools", "pptx": "python-pptx", "psycopg2": "psycopg2-binary", "rest_framework":
    "djangorestframework", "serial": "pyserial", "skimage": "scikit-image", "sklearn": "scikit-learn",
    "slugify": "python-slugify", "socks": "PySocks", "telegram": "python-telegram-bot", "tlz": "toolz",
    "usb": "pyusb", "websocket": "websocket-client", "win32api": "pywin32", "win32com": "pywin32",
    "wx": "wxPython", "yaml": "PyYAML", "zmq": "pyzmq",
}  # fmt: skip

_REPOSITORIES = ("repo", "repo_name", "repository", "repository_name", "max_stars_repo_name")
_PATHS = ("path", "file_path", "max_stars_repo_path", "filename")
FLOOR = 1.0


class Source(msgspec.Struct, frozen=True):
    """A file of code: its text, the repository it is from, and its path there (empty where not known)."""

    text: str
    repository: str
    path: str = ""


class Usage(msgspec.Struct, kw_only=True):
    """How many repositories use what.

    Attributes:
        files: Read.
        unreadable: Those that are no Python 3.
        repositories: Seen.
        distributions: Repositories by distribution, most first.
        names: Repositories by qualified name as the code writes it, most first.
    """

    files: int = 0
    unreadable: int = 0
    repositories: int = 0
    distributions: dict[str, int] = {}
    names: dict[str, int] = {}


def count_usage(sources: Iterable[Source], distributions: Mapping[str, str] | None = None) -> Usage:
    """Count the repositories that use each distribution and each name.

    The standard library and modules that lie in the repository itself do not count.

    Args:
        sources: Files, in any order.
        distributions: Distributions by top-level import name (``Interpreter.distributions_by_module``);
            :data:`DISTRIBUTIONS` fills in, and what neither has goes by its import name.
    """
    known = {**DISTRIBUTIONS, **(distributions or {})}
    usage = Usage()
    users: dict[str, set[str]] = {}
    local: dict[str, set[str]] = {}
    for source in sources:
        usage.files += 1
        local.setdefault(source.repository, set()).update(_modules_at(source.path))
        names = _names(source.text)
        if names is None:
            usage.unreadable += 1
            continue
        for name in names:
            users.setdefault(name, set()).add(source.repository)
    by_distribution: dict[str, set[str]] = {}
    names_counted: Counter[str] = Counter()
    for name, repositories in users.items():
        root = name.partition(".")[0]
        theirs = {one for one in repositories if root not in local[one]}
        if theirs:
            names_counted[name] = len(theirs)
            by_distribution.setdefault(known.get(root, root), set()).update(theirs)
    usage.repositories = len(local)
    usage.distributions = _sorted({name: len(one) for name, one in by_distribution.items()})
    usage.names = _sorted(names_counted)
    return usage


def read_sources(path: Path) -> Iterator[Source]:
    """Read the code of a corpus.

    Args:
        path: A file of rows (``.jsonl``, packed or not, or ``.parquet``) with ``content`` and ``repo``; or a
            folder of such files and of ``.py`` files, whose top-level folders are the repositories.

    Raises:
        DataError: No such file, rows without ``content``, or nothing to read.
        DependencyError: pyarrow is needed and not installed.
    """
    if not path.exists():
        raise DataError("no such file or folder; check the path", path=path)
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    num_read = 0
    for file in files:
        if file.suffix == ".py":
            relative = file.relative_to(path) if path.is_dir() else Path(file.name)
            repository = relative.parts[0] if len(relative.parts) > 1 else "."
            inner = Path(*relative.parts[1:]) if len(relative.parts) > 1 else relative
            yield Source(file.read_text(encoding="utf-8", errors="replace"), repository, inner.as_posix())
        elif file.name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")):
            yield from (_source(row, file, line) for line, row in read_numbered(file, dict[str, Any]))
        elif file.suffix == ".parquet":
            yield from _parquet(file)
        else:
            continue
        num_read += 1
    if not num_read:
        raise DataError("no .py, .jsonl or .parquet file here", path=path)


def fold(counts: Mapping[str, int], store: ApiStore) -> dict[str, int]:
    """Add up counts of names as code writes them under the entries of a store.

    A name that goes further than an entry (``numpy.pi.real``) counts for the entry; what is not in the
    store is left out.
    """
    folded: Counter[str] = Counter()
    for name, count in counts.items():
        parts = name.split(".")
        found = (store.get(".".join(parts[:end])) for end in range(len(parts), 0, -1))
        entry = next((one for one in found if one is not None), None)
        if entry is not None:
            folded[entry.name] += count
    return dict(folded)


def sample_members(
    counts: Mapping[str, int], store: ApiStore, n: int, seed: int, *, floor: float = FLOOR
) -> list[ApiEntry]:
    """Draw ``n`` callables of a store, often used ones more often.

    The weight of an entry is the square root of its count, but no less than ``floor``, so that rare ones
    come up too. Draws are without replacement: an entry comes again only after all others. Each draw hangs
    on seed and name alone, so other packages in the store do not change which of two entries comes first.

    Args:
        counts: Repositories by name, as in ``Usage.names``; empty for even chances.
        store: What to draw from.
        n: How many.
        seed: Of the draw.
        floor: The least weight.
    """
    folded = fold(counts, store)
    there_are = [entry for entry in store if is_eligible(entry)]
    drawn: list[ApiEntry] = []
    turn = 0
    while there_are and len(drawn) < n:
        weights = {entry.name: max(folded.get(entry.name, 0) ** 0.5, floor) for entry in there_are}
        # Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006): the n largest u^(1/w).
        keys = {name: _uniform(seed, turn, name) ** (1 / weight) for name, weight in weights.items()}
        ranked = sorted(there_are, key=lambda entry: (-keys[entry.name], entry.name))
        drawn += ranked[: n - len(drawn)]
        turn += 1
    return drawn


def is_eligible(entry: ApiEntry) -> bool:
    """Tell whether a task can be made of an entry: something to call, explained, not on its way out."""
    return entry.is_callable and not entry.deprecated and bool(entry.summary)


def _uniform(seed: int, turn: int, name: str) -> float:
    """Return a number in (0, 1) that follows from the arguments alone."""
    digest = hashlib.sha256(f"{seed}\0{turn}\0{name}".encode()).digest()
    return (int.from_bytes(digest[:8]) + 0.5) / 2**64


def _names(text: str) -> set[str] | None:
    if "import" not in text:
        return set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in other people's strings
            tree = ast.parse(text)
        names = {use.name for use in find_uses(tree)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}


def _modules_at(path: str) -> set[str]:
    parts = PurePosixPath(path)
    return {*parts.parts[:-1], parts.stem} if path else set()


def _source(row: Mapping[str, Any], file: Path, line: int) -> Source:
    text = row.get("content")
    if not isinstance(text, str):
        raise DataError("a row needs the text of a file as `content`", path=file, line=line)
    repository = next((str(row[name]) for name in _REPOSITORIES if row.get(name)), f"{file}:{line}")
    return Source(text, repository, next((str(row[name]) for name in _PATHS if row.get(name)), ""))


def _parquet(file: Path) -> Iterator[Source]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DependencyError(
            f"{file}: pyarrow is needed", repair="pip install 'opencoder[synth]'"
        ) from error
    try:
        table = parquet.ParquetFile(file)
        wanted = [name for name in ("content", *_REPOSITORIES, *_PATHS) if name in table.schema_arrow.names]
        line = 0
        for batch in table.iter_batches(batch_size=256, columns=wanted):
            for row in batch.to_pylist():
                line += 1
                yield _source(row, file, line)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as Parquet: {error}", path=file) from error


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
