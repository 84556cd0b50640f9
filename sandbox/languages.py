"""How each language is compiled and run: one row per language, data only."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from opencoder.errors import UserError
from sandbox.guard.program import ENVIRONMENT


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """One row of the table.

    Args:
        file: Name of the main file.
        compile: Command that builds it, or None.
        run: Command that runs it, or None for a fork of the warm Python interpreter.
        needs: The program that must be installed.
        aliases: Other names that users give it.
    """

    file: str
    run: tuple[str, ...] | None
    needs: str
    compile: tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()


LANGUAGES: dict[str, Language] = {
    "python": Language(file="main.py", run=None, needs="python3", aliases=("py", "python3")),
    "bash": Language(file="main.sh", run=("bash", "main.sh"), needs="bash", aliases=("sh", "shell")),
    "c": Language(
        file="main.c", compile=("gcc", "-O1", "-o", "main", "main.c", "-lm"), run=("./main",), needs="gcc"
    ),
    "cpp": Language(
        file="main.cpp",
        compile=("g++", "-O1", "-std=c++17", "-o", "main", "main.cpp"),
        run=("./main",),
        needs="g++",
        aliases=("c++",),
    ),
    "javascript": Language(
        file="main.js", run=("node", "main.js"), needs="node", aliases=("js", "node", "nodejs")
    ),
}
_BY_ALIAS = {alias: name for name, row in LANGUAGES.items() for alias in (name, *row.aliases)}


def language(name: str) -> Language:
    """Return the row of ``name`` or of the language it is an alias of.

    Raises:
        UserError: No such language; the message lists those there are.
    """
    known = _BY_ALIAS.get(name.lower())
    if known is None:
        raise UserError(f"unknown language {name!r}; known: {', '.join(LANGUAGES)}")
    return LANGUAGES[known]


def needs_installed(name: str) -> None:
    """Check that the compiler or interpreter of language ``name`` is on this machine, where programs look.

    Raises:
        UserError: It is not, or no such language.
    """
    row = language(name)
    if row.run is not None and shutil.which(row.needs, path=ENVIRONMENT["PATH"]) is None:
        raise UserError(f"{row.needs}, which {name} needs, is not installed here; install it or use docker")


def language_of(path: Path) -> str:
    """Return the language that the suffix of ``path`` stands for.

    Raises:
        UserError: None does.
    """
    known = {Path(row.file).suffix: name for name, row in LANGUAGES.items()}
    if path.suffix not in known:
        raise UserError(
            f"{path}: the suffix tells no language; name it with --language, as in --language python"
        )
    return known[path.suffix]
