"""A folder of files, explained into one file of records."""

from __future__ import annotations

from pathlib import Path

import msgspec

from corpus.explain import explain
from corpus.judge import Mode
from opencoder.files import atomic, make_folder


def explain_folder(folder: Path, out: Path, mode: Mode = "compat") -> int:
    """Write one record per file of ``folder`` to ``out``, sorted by path, and return their number.

    A broken run leaves no half result. Links are not followed out of the folder: only plain files count.

    Raises:
        UserError: The output cannot be written there.
    """
    paths = sorted(
        (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and path != out),
        key=lambda path: path.relative_to(folder).as_posix(),
    )
    encoder = msgspec.json.Encoder()
    make_folder(out.parent)
    with atomic(out) as stream:
        for path in paths:
            record = {"path": path.relative_to(folder).as_posix(), **explain(path, path.name, mode)}
            stream.write(encoder.encode(record) + b"\n")
    return len(paths)
