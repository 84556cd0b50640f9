"""Licences."""

from __future__ import annotations

from pathlib import Path


def find_license(root: Path) -> str | None:
    """Return the licence of a folder."""
    return None
