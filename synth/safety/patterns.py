"""Lists of expressions from ``patterns/``: one file a flag and language, one expression a line.

``#`` begins a comment, ``[name]`` a section. Each section is compiled once, the languages together.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

_LANGUAGES = ("en", "zh")
_SECTION = re.compile(r"\[([a-z_ ]+)\]")


@functools.cache
def patterns(flag: str) -> dict[str, re.Pattern[str]]:
    """Return the expressions of a flag by section; those before any section are under an empty name."""
    folder = resources.files("synth.safety").joinpath("patterns")
    sections: dict[str, list[str]] = {}
    for language in _LANGUAGES:
        current = ""
        for line in folder.joinpath(f"{flag}.{language}.txt").read_text(encoding="utf-8").splitlines():
            if match := _SECTION.fullmatch(line):
                current = match.group(1)
            elif line and not line.startswith("#"):
                sections.setdefault(current, []).append(f"(?:{line})")
    return {name: re.compile("|".join(lines), re.IGNORECASE) for name, lines in sections.items()}
