"""The shipped list of popular libraries."""

from __future__ import annotations

from pathlib import Path

import msgspec

from opencoder.config import load_file
from opencoder.errors import UserError

FILE = Path(__file__).with_name("popular.yaml")


class Popular(msgspec.Struct, frozen=True):
    """A popular library: its field, the name that ``import`` takes, and the one that pip takes."""

    field: str
    module: str
    distribution: str


def popular_libraries(fields: list[str] | None = None) -> list[Popular]:
    """Return the libraries of some fields, of all if None, in the order of the file.

    Raises:
        UserError: No such field.
        DependencyError: PyYAML is not installed.
    """
    data: dict[str, list[str]] = load_file(FILE)
    unknown = sorted(set(fields or ()) - set(data))
    if unknown:
        raise UserError(f"unknown field {', '.join(unknown)}; known: {', '.join(data)}")
    return [
        Popular(field, module or distribution, distribution)
        for field, items in data.items()
        if fields is None or field in fields
        for distribution, _, module in (item.partition(" as ") for item in items)
    ]
