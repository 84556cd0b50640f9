"""Which modules a distribution brings, told by its files alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

_SUFFIXES = (".so", ".pyd")
_NOT_FOR_USERS = {"tests", "test", "conftest", "__main__", "setup", "_pytest", "benchmarks", "node_modules"}
_NOT_PACKAGES = (".dist-info", ".egg-info", ".data", ".libs")


def module_names(files: Iterable[str]) -> dict[str, str]:
    """Return the modules among the files of a distribution.

    Args:
        files: Paths relative to the folder that packages are installed in.

    Returns:
        Dotted names and their files; of a source and a compiled form of one module, the source.
    """
    found: dict[str, str] = {}
    for file in sorted(files):
        path = PurePosixPath(file)
        if any(part == ".." or part.endswith(_NOT_PACKAGES) for part in path.parts):
            continue
        is_source = path.suffix == ".py"
        if not is_source and path.suffix not in _SUFFIXES:
            continue
        parts = [*path.parts[:-1], path.name.split(".")[0]]
        if parts[-1] == "__init__":
            parts.pop()
        if parts and all(part.isidentifier() for part in parts):
            name = ".".join(parts)
            if is_source or name not in found:
                found[name] = file
    return found


def folder_names(files: Iterable[str]) -> set[str]:
    """Return the folders among the files of a distribution as dotted names: Python can import any of them."""
    folders = {folder for file in files for folder in PurePosixPath(file).parents if folder.parts}
    return {".".join(one.parts) for one in folders if all(part.isidentifier() for part in one.parts)}


def root_modules(modules: dict[str, str]) -> list[str]:
    """Return the modules that lie in no other one: the names that belong to the distribution.

    For a part of a namespace package these are dotted (``google.cloud.storage``).
    """
    packages = {
        name for name, file in modules.items() if PurePosixPath(file).stem.split(".")[0] == "__init__"
    }
    return [name for name in sorted(modules) if not any(name.startswith(f"{one}.") for one in packages)]


def is_public(module: str) -> bool:
    """Tell whether a module is meant for users: no part of its name is private or for tests."""
    parts = module.split(".")
    return not any(part.startswith("_") for part in parts) and not is_for_tests(parts[1:])


def is_for_tests(parts: Iterable[str]) -> bool:
    """Tell whether a part of a module's name says that it is for tests or for running, not for importing."""
    return any(part in _NOT_FOR_USERS for part in parts)
