"""The interpreter that the first line of a script names."""

from __future__ import annotations

import re
from collections.abc import Mapping

_OPTIONS_WITH_VALUE = frozenset({"-u", "--unset", "-C", "--chdir"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
# A shell script of two lines that hands itself to another program, as Tcl scripts do.
_EXEC = re.compile(r"""exec ["']?(?:[^\s"']*/)?(\w[\w.+-]*).+\$0.+\$@""", re.ASCII)
_EXEC_LINES = 5


def interpreter(head: str) -> str | None:
    """Return the program that the ``#!`` line of ``head`` runs, without its folder; None if there is none.

    ``env`` is looked through, with its options and assignments; so is a shell that only starts another one.
    """
    lines = head.removeprefix("\ufeff").split("\n", _EXEC_LINES)
    if not lines[0].startswith("#!"):
        return None
    words = lines[0][2:].split()
    program = _base(words[0]) if words else ""
    if program == "env":
        program = _base(_after_env(words[1:]))
    if program == "sh":
        for line in lines[1:_EXEC_LINES]:
            if found := _EXEC.search(line[:1000]):
                return found[1]
    return program or None


def languages_of(program: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the languages that ``known`` has for an interpreter, with or without the version at its end."""
    for name in (program, re.sub(r"(\.\d+)+$", "", program), re.sub(r"-?\d[\d.]*$", "", program)):
        if found := known.get(name):
            return found
    return ()


def _after_env(words: list[str]) -> str:
    """Return the command among the arguments of ``env``, or an empty string."""
    at = 0
    while at < len(words):
        word = words[at]
        for option in ("--split-string=", "-S"):
            if word.startswith(option) and word != option:
                return word.removeprefix(option)
        if word in _OPTIONS_WITH_VALUE:
            at += 1
        elif not word.startswith("-") and not _ASSIGNMENT.match(word):
            return word
        at += 1
    return ""


def _base(path: str) -> str:
    return path.rpartition("/")[2]
