"""Builds the API store of named distributions, from where they are installed or from a clean environment."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from opencoder.errors import DependencyError, UserError
from opencoder.log import logger
from synth.packages.extract_live import NotLoadedError, extract_live
from synth.packages.interpreter import (
    Installed,
    Interpreter,
    make_venv,
    normalized,
    pip_install,
    split_requirement,
)
from synth.packages.merge import merge
from synth.packages.modules import folder_names, is_public
from synth.packages.site import SITE, write_site
from synth.packages.store import ApiEntry, ApiStore, Distribution, Manifest

_log = logger.getChild("synth")


def build_store(
    requirements: Sequence[str],
    out: Path | None,
    *,
    python: Path | None = None,
    inventory: Collection[str] = (),
    live: bool = True,
    trust: bool = False,
) -> ApiStore:
    """Build the store of some distributions.

    What is installed in the interpreter's environment, in the version asked for, is read there. The rest is
    installed into a clean virtual environment, which goes away in the end; pip's settings of this machine
    hold for that.

    Args:
        requirements: ``NAME`` (the installed version, else the newest) or ``NAME==VERSION``.
        out: Folder to write the store to, with the packages themselves in ``site``; None to write nothing.
        python: Interpreter whose packages are meant; the running one if None.
        inventory: Names that documentation uses (see ``read_inventory``).
        live: Load the packages too, in a sandbox. Without, compiled modules stay unknown.
        trust: Load them without a sandbox where need be, and let pip build what has no wheel.

    Raises:
        UserError: No such distribution, one without Python modules, or no such interpreter.
        DependencyError: griffe is missing, or the interpreter cannot make environments.
    """
    if not requirements:
        raise UserError("no package given; name at least one, as in numpy or numpy==2.4.0")
    interpreter = Interpreter.at(python)
    rows: list[Distribution] = []
    entries: dict[str, ApiEntry] = {}
    with _installed(interpreter, requirements, trust=trust) as places:
        for place, installed in places:
            found, row = _read(place, installed, inventory, live=live, trust=trust)
            rows.append(row)
            entries.update((entry.name, entry) for entry in found)
        if out is not None:
            _write_site(places, out)
    manifest = Manifest(
        python=".".join(map(str, interpreter.version)),
        distributions=sorted(rows, key=lambda row: normalized(row.name)),
    )
    store = ApiStore(manifest, entries.values())
    if out is not None:
        store.write(out)
    return store


@contextmanager
def _installed(
    interpreter: Interpreter, requirements: Sequence[str], *, trust: bool
) -> Iterator[list[tuple[Interpreter, Installed]]]:
    """Find distributions, and install for the time of the block those that are not there."""
    found: list[tuple[Interpreter, Installed]] = []
    lacking: list[str] = []
    for requirement in dict.fromkeys(requirements):
        name, version = split_requirement(requirement)
        there = interpreter.find(name)
        if there is not None and version in ("", there.version):
            found.append((interpreter, there))
        else:
            lacking.append(f"{name}=={version}" if version else name)
    if not lacking:
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="opencoder-api-") as folder:
        _log.info("installing into a clean environment: %s", ", ".join(lacking))
        python = make_venv(Path(folder) / "venv", interpreter.python)
        pip_install(python, lacking, build=trust)
        place = Interpreter.at(python)
        for requirement in lacking:
            there = place.find(split_requirement(requirement)[0])
            if there is None:
                raise UserError(f"{requirement}: pip installed it under another name; give that one")
            found.append((place, there))
        yield found


def _write_site(places: Sequence[tuple[Interpreter, Installed]], out: Path) -> None:
    """Keep the packages themselves, if programs of this interpreter can load them."""
    kept: dict[str, Installed] = {}
    for place, installed in places:
        if place.version == sys.version_info[:2]:
            kept.update((one.name, one) for one in place.closure([installed.name]))
    if kept:
        num_bytes = write_site(kept.values(), out / SITE)
        _log.info("%d packages, %.0f MB, kept in %s", len(kept), num_bytes / 1e6, out / SITE)


def _read(
    place: Interpreter, installed: Installed, inventory: Collection[str], *, live: bool, trust: bool
) -> tuple[list[ApiEntry], Distribution]:
    try:
        from synth.packages.extract_static import extract_static
    except ImportError as error:
        raise DependencyError(
            f"griffe is needed to read packages ({error})", repair="pip install 'opencoder[synth]'"
        ) from error
    roots = installed.roots
    if not roots:
        raise UserError(
            f"{installed.name} {installed.version} lists no Python modules (an editable install lists none); "
            "install it as a wheel or name another package"
        )
    entries = extract_static(installed.site, roots, preferred=inventory)
    notes: list[str] = []
    if live:
        modules = [name for name in installed.modules if is_public(name)]
        try:
            loaded = extract_live(place, [installed.name], modules, roots, trust=trust)
            entries = merge(entries, loaded, preferred=inventory)
            failed = [one for one in loaded if one.error]
            if failed:
                notes.append(
                    f"{len(failed)} modules do not load: {failed[0].module} ({failed[0].error[:120]})"
                )
            live = len(failed) < len(loaded)
        except NotLoadedError as error:
            live = False
            notes.append(f"only sources were read: {error}")
            _log.warning(
                "%s: only its sources were read, not its compiled modules: %s", installed.name, error
            )
    _complete(entries, installed)
    row = Distribution(
        name=installed.name,
        version=installed.version,
        license=installed.license,
        modules=roots,
        entries=len(entries),
        live=live,
        notes=notes,
    )
    return entries, row


def _complete(entries: list[ApiEntry], installed: Installed) -> None:
    """Say of each entry what it belongs to, and of each module what lies in it."""
    names = {entry.name: entry for entry in entries}
    for entry in entries:
        entry.distribution, entry.version = installed.name, installed.version
        entry.license = installed.license
    for module in dict.fromkeys([*installed.modules, *folder_names(installed.files)]):
        parent, _, name = module.rpartition(".")
        if parent in names and names[parent].kind == "module":
            names[parent].members = sorted({*names[parent].members, name})
