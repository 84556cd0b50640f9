"""Processes of this machine that a test can tell from those of a test beside it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

_numbers = itertools.count()


def fresh_mark() -> str:
    """Return a name that no other process of this machine has; programs take it with ``exec -a``."""
    return f"testmark-{os.getpid()}-{next(_numbers)}."


def marked(mark: str) -> list[int]:
    """Return the ids of the processes whose command line begins with ``mark``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(mark.encode()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
