"""What the words of a command name as inputs.

- A folder: each regular file is a document.
- A folder with nothing but files of rows, and what goes with them: a data set.
- A ``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst`` or ``.parquet`` file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from corpus.readers.folder import printable, walk
from corpus.readers.pieces import is_rows
from opencoder.errors import DataError, UserError

_BESIDE = frozenset({"README.md", "dataset_info.json", "dataset_infos.json", "state.json"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """An input.

    Attributes:
        name: For its prefix.
        root: Folder or file.
        files: Files of rows with their labels; None for a folder of documents.
        prefix: Put before its ids.
    """

    name: str
    root: Path
    files: tuple[tuple[str, Path], ...] | None = None
    prefix: str = ""


def find_sources(words: Sequence[str]) -> list[Source]:
    """Return the inputs; with more than one, ids get the name of theirs as prefix.

    Raises:
        DataError: There is no such file or folder, or its name is not UTF-8.
        UserError: A file is of no known kind.
    """
    found = [_source(word) for word in words]
    if len(found) < 2:
        return found
    taken: set[str] = set()
    named = []
    for source in found:
        name, number = source.name, 1
        while name in taken:
            number += 1
            name = f"{source.name}~{number}"
        taken.add(name)
        named.append(replace(source, prefix=f"{name}/"))
    return named


def _source(word: str) -> Source:
    # Links and `..` on the way are the user's own; workers may run in another folder.
    root = Path(os.path.abspath(word))  # noqa: PTH100 - resolve() would replace the names that were given
    if printable(word) != word:
        raise DataError("the name is not UTF-8; rename it", path=printable(word))
    if root.is_dir():
        return Source(name=root.name, root=root, files=_dataset(root))
    if not root.exists():
        raise DataError("no such file or folder; check the path", path=word)
    if not is_rows(root.name):
        raise UserError(f"{word}: must be a folder, .jsonl, .jsonl.gz, .jsonl.zst or .parquet")
    return Source(name=root.name, root=root, files=((root.name, root),))


def _dataset(root: Path) -> tuple[tuple[str, Path], ...] | None:
    """Return the files of a folder that holds files of rows and nothing else; None for other folders."""
    files = []
    for found in walk(root, lambda place, reason: None, git=False):
        label = printable(found.name)
        name = label.rpartition("/")[2]
        if is_rows(name):
            files.append((label, root / os.fsdecode(found.name)))
        elif not name.startswith((".", "_")) and name not in _BESIDE:
            return None
    return tuple(files) or None
