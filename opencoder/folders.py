"""Where things are kept that belong to no run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return where what can be had again is kept: ``OPENCODER_CACHE``, else the user's cache folder."""
    if given := os.environ.get("OPENCODER_CACHE"):
        return Path(given)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opencoder"
    except RuntimeError:  # a user id without an account, as containers may have
        return Path(tempfile.gettempdir()) / f"opencoder-cache-{os.getuid()}"
