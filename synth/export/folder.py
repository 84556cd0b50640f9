"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opencoder.errors import UserError
from opencoder.files import make_folder, sync_folder, writing_to


@contextmanager
def whole_folder(out: Path, *, mark: str) -> Iterator[Path]:
    """Give a folder to write to, which takes the name ``out`` when the block has ended well.

    An error in the block leaves what was there before. A process killed in the block leaves a hidden folder
    beside ``out``, whose name ends in ``.tmp``.

    Args:
        out: Where the result shall be.
        mark: A file that every earlier result holds: a folder with it is replaced.

    Raises:
        UserError: ``out`` holds anything else, or cannot be written.
        DependencyError: The disk is full.
    """
    _check(out, mark)
    out = out.absolute()  # `.` has no name
    make_folder(out.parent)
    stage = out.with_name(f".{out.name}.{secrets.token_hex(4)}.tmp")
    old = stage.with_suffix(".old.tmp")
    try:
        with writing_to(out):
            stage.mkdir()
            yield stage
            _sync(stage)
            if out.exists():
                out.replace(old)
            try:
                stage.replace(out)
            except OSError:
                if old.exists():
                    old.replace(out)
                raise
            sync_folder(out.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _check(out: Path, mark: str) -> None:
    if not out.is_dir():
        if out.exists():
            raise UserError(f"{out} is a file; choose another place with -o")
        return
    if any(out.iterdir()) and not (out / mark).is_file():
        raise UserError(f"{out} holds other files (no {mark}); choose another place with -o")


def _sync(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        else:
            sync_folder(path)
    sync_folder(folder)
