"""What takes long is made once for all workers of a test session."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker to ask for it fills; nobody may write to it later.

    Args:
        factory: Of the session.
        name: Of the folder.
        make: Fills it.
    """
    base = factory.getbasetemp()
    # The workers of pytest-xdist have folders side by side.
    home = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = home / f"once-{name}", home / f"once-{name}.done"
    with (home / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
