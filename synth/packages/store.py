"""The API store: every public name of some packages, with what a prompt or a check needs to know of it.

On disk a store is a folder: ``store.json`` says what is in it, ``api.jsonl`` holds one entry a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from opencoder.errors import DataError
from opencoder.files import make_folder
from opencoder.store import read_json, read_jsonl, write_json, write_jsonl

SCHEMA: Literal["api/1"] = "api/1"
ENTRIES = "api.jsonl"
MANIFEST = "store.json"

Kind = Literal["module", "class", "function", "method", "property", "attribute"]
ParameterKind = Literal["positional", "normal", "var_positional", "keyword", "var_keyword"]
"""``positional`` cannot be given by name, ``keyword`` only so, ``normal`` both ways."""


class ApiParameter(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A parameter of a callable, without ``self`` and ``cls``.

    Attributes:
        name: As in the signature, without stars.
        kind: How it can be given.
        default: Text of the default; None where it must be given.
        annotation: Text of the type.
    """

    name: str
    kind: ParameterKind = "normal"
    default: str | None = None
    annotation: str = ""


class ApiEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A public name.

    Attributes:
        name: Qualified, as users write it (``httpx.Client``, not ``httpx._client.Client``).
        kind: What it is.
        signature: ``(x, ord=None)`` of a callable, ``: int = 5`` of an attribute; empty where not known.
        parameters: Of a callable; those of its ``__init__`` or ``__new__`` for a class.
        exact: A keyword argument that is not among ``parameters`` is certain to raise ``TypeError``
            (unless they hold one of kind ``var_keyword``).
        doc: The docstring, dedented.
        summary: Its first paragraph, on one line.
        examples: The doctest blocks in it.
        since: The version that added it, where the docstring says so.
        deprecated: Why not to use it; empty where nothing says so.
        file: Source file, relative to the folder that packages are installed in.
        line: Where in it.
        distribution: Name to install it by.
        version: Of the distribution.
        license: SPDX expression, or what the distribution calls it.
        aliases: Other public or importable paths to the same object.
        members: Names below a module or class, private and inherited ones too.
        open: There may be more members than these: they are made while the program runs.
        origin: What found it.
    """

    name: str
    kind: Kind
    signature: str = ""
    parameters: list[ApiParameter] = []
    exact: bool = False
    doc: str = ""
    summary: str = ""
    examples: list[str] = []
    since: str = ""
    deprecated: str = ""
    file: str = ""
    line: int = 0
    distribution: str = ""
    version: str = ""
    license: str = ""
    aliases: list[str] = []
    members: list[str] = []
    open: bool = False
    origin: Literal["static", "live", "both"] = "static"

    @property
    def parent(self) -> str:
        """The module or class that holds it; empty for a package at the top."""
        return self.name.rpartition(".")[0]

    @property
    def is_callable(self) -> bool:
        """Whether it is a function, a method or a class."""
        return self.kind in ("class", "function", "method")


class Distribution(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A distribution in a store.

    Attributes:
        name: Name to install it by.
        version: As installed.
        license: SPDX expression, or what its metadata say.
        modules: Its packages and modules, by the names that ``import`` takes.
        entries: How many entries it has.
        live: Whether its modules were loaded; if not, only sources were read.
        notes: What could not be done.
    """

    name: str
    version: str
    license: str = ""
    modules: list[str] = []
    entries: int = 0
    live: bool = False
    notes: list[str] = []


class Manifest(msgspec.Struct, kw_only=True):
    """What is in a store: the content of ``store.json``.

    Attributes:
        schema: Always ``api/1``.
        python: Version of the interpreter that the distributions are installed for, as in ``3.11``.
        distributions: Sorted by name.
        counts: Entries by kind.
    """

    schema: Literal["api/1"] = SCHEMA
    python: str
    distributions: list[Distribution]
    counts: dict[str, int] = {}


class Missing(msgspec.Struct, frozen=True):
    """The part of a dotted name that is certain not to exist.

    Attributes:
        name: From the start up to the part.
        parent: The module or class that lacks it.
    """

    name: str
    parent: ApiEntry


class ApiStore:
    """Entries by name.

    Args:
        manifest: What is in it.
        entries: Each with a name of its own.
    """

    def __init__(self, manifest: Manifest, entries: Iterable[ApiEntry]) -> None:
        self.manifest = manifest
        self._entries = {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}
        self._aliases = {alias: entry.name for entry in self._entries.values() for alias in entry.aliases}
        manifest.counts = dict(sorted(Counter(entry.kind for entry in self).items()))

    @classmethod
    def open(cls, folder: Path) -> ApiStore:
        """Read a store.

        Raises:
            DataError: The folder holds none, or a broken one.
        """
        manifest_file = folder / MANIFEST
        if not manifest_file.is_file():
            raise DataError(
                "no API store here; make one with: opencoder synth api PACKAGE -o DIR", path=folder
            )
        return cls(read_json(manifest_file, Manifest), read_jsonl(folder / ENTRIES, ApiEntry))

    def write(self, folder: Path) -> None:
        """Write the store; the manifest comes last, so that a folder with one is whole.

        Raises:
            UserError: The place cannot be written.
            DependencyError: The disk is full.
        """
        make_folder(folder)
        write_jsonl(folder / ENTRIES, self)
        write_json(folder / MANIFEST, self.manifest)

    def __iter__(self) -> Iterator[ApiEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def public_names(self) -> list[str]:
        """The names of all entries, sorted."""
        return list(self._entries)

    def get(self, name: str) -> ApiEntry | None:
        """Return the entry of a name or alias; an alias of its class or module will do too."""
        found = self.resolve(name)
        return found if isinstance(found, ApiEntry) else None

    def members(self, name: str) -> list[ApiEntry]:
        """Return the entries right below a module or class, by any of its names."""
        entry = self.get(name)
        if entry is None:
            return []
        below = (self._at(f"{entry.name}.{member}") for member in sorted(set(entry.members)))
        return [one for one in below if one is not None]

    def resolve(self, name: str) -> ApiEntry | Missing | None:
        """Follow a dotted name from the innermost module on the way that is in the store.

        Returns:
            Its entry; the part that is certain to be missing; or None where the store does not know: the
            name belongs to no package in it, or goes through an instance, a function or an open module.
        """
        parts = name.split(".")
        start = next((k for k in range(len(parts), 0, -1) if self._is_module(".".join(parts[:k]))), 0)
        current = self._at(".".join(parts[:start]))
        if current is None:
            return None
        for part in parts[start:]:
            below = self._at(f"{current.name}.{part}")
            if below is None:
                return Missing(f"{current.name}.{part}", current) if _lacks(current, part) else None
            current = below
        return current

    def _is_module(self, name: str) -> bool:
        entry = self._at(name)
        return entry is not None and entry.kind == "module"

    def _at(self, name: str) -> ApiEntry | None:
        return self._entries.get(self._aliases.get(name, name))


def _lacks(entry: ApiEntry, part: str) -> bool:
    """Tell whether a module or class is certain to have no such member; names like ``__doc__`` always are."""
    special = part.startswith("__") and part.endswith("__")
    return entry.kind in ("module", "class") and not entry.open and not special and part not in entry.members
