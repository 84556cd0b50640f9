"""The packages of a store, kept as they were read, so that answers run on what they were asked about."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from opencoder.files import make_folder, writing_to
from synth.packages.extract_live import is_needed
from synth.packages.interpreter import Installed

SITE = "site"
"""The folder in a store."""


def write_site(installed: Iterable[Installed], folder: Path) -> int:
    """Copy distributions into a folder that programs can import from; tests and headers stay behind.

    Args:
        installed: The distributions, with all that they require.
        folder: Replaced.

    Returns:
        Bytes copied.

    Raises:
        DependencyError: The disk is full.
        UserError: The place cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    copied = 0
    for one in installed:
        for name in filter(is_needed, one.files):
            source, target = one.site / name, folder / name
            if not source.is_file() or target.exists():
                continue
            make_folder(target.parent)
            with writing_to(target):
                shutil.copyfile(source, target)  # not its mode: programs run as another user
                target.chmod(0o644)
            copied += source.stat().st_size
    return copied


def packages_of(store: str | None) -> Path | None:
    """Return the folder of packages that a store holds, if there is one."""
    folder = Path(store) / SITE if store else None
    return folder if folder is not None and folder.is_dir() else None
