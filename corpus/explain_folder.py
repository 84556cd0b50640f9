"""A folder of files, explained into one file of records."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from corpus.explain import explain
from corpus.judge import Mode
from opencoder.files import atomic, make_folder
from opencoder.log import progress


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
    with atomic(out) as stream, progress("explaining", len(paths)) as bar:
        for path in paths:
            found = explain(path, path.name, mode)
            # Names on disk are bytes; those that are not UTF-8 are written with escapes.
            name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
            stream.write(encoder.encode({"path": name, **found}) + b"\n")
            bar.advance(status=found["decision"])
    return len(paths)
