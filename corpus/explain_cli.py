"""A folder of files, explained into one file of records."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from corpus.explain import Mode, explain


def explain_folder(folder: Path, out: Path, mode: Mode = "compat") -> int:
    """Write one record per file of ``folder`` to ``out``, sorted by path, and return their number.

    Records go to a file beside ``out`` that takes its name at the end, so a broken run leaves no half result.
    Links are not followed out of the folder: only plain files count.
    """
    paths = sorted(
        (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and path != out),
        key=lambda path: path.relative_to(folder).as_posix(),
    )
    encoder = msgspec.json.Encoder()
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            for path in paths:
                record = {"path": path.relative_to(folder).as_posix(), **explain(path, path.name, mode)}
                stream.write(encoder.encode(record) + b"\n")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return len(paths)
