"""Reads ``objects.inv``, the list of names that a Sphinx documentation explains."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from opencoder.errors import DataError, DependencyError
from opencoder.files import reading_from

_ROLES = {"attribute", "class", "data", "exception", "function", "method", "module", "property", "type"}


def read_inventory(path: Path) -> frozenset[str]:
    """Return the qualified Python names of an inventory: the names that its authors hold for the public ones.

    Raises:
        DataError: No such file, or no inventory.
        DependencyError: sphobjinv is not installed.
    """
    try:
        reader: Any = importlib.import_module("sphobjinv")
    except ImportError as error:
        raise DependencyError(
            "sphobjinv is needed to read objects.inv", repair="pip install 'opencoder[synth]'"
        ) from error
    with reading_from(path):
        data = path.read_bytes()
    try:
        inventory = reader.Inventory(zlib=data) if data.startswith(b"# Sphinx") else None
    except Exception as error:
        raise DataError(f"not a Sphinx inventory that can be read ({error})", path=path) from error
    if inventory is None:
        raise DataError("not a Sphinx inventory; give the objects.inv of the documentation", path=path)
    return frozenset(
        one.name for one in inventory.objects if one.domain == "py" and one.role in _ROLES and one.name
    )
