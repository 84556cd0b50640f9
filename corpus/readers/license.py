"""The licence of a folder, from the licence files at its root.

A licence is told by some words of its own text, wherever they stand and however the lines are broken; a file
may hold several. Texts of the GNU licences do not say whether later versions are allowed: they count as
``-only`` unless a notice says otherwise. Several licences are joined by AND, also where a project offers a
choice: the files alone do not tell.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from opencoder.spdx import join_names, tag_of

_MOST_BYTES = 256 << 10
_MOST_FILES = 32
_NAME = re.compile(r"(?:[\w.+]+-)?(?:(?:un)?licen[cs]es?|copying|copyright)(?:[-._ ].*)?", re.IGNORECASE)
_NO_TEXT = (
    *(".py", ".js", ".ts", ".go", ".java", ".c", ".h", ".cpp"),
    *(".rb", ".rs", ".php", ".json", ".yml", ".xml"),
)
_LINE_STARTS = re.compile(r"^[ \t]*(?:[/*#;%>|=-]+[ \t]*)+", re.MULTILINE)
_NOTICE = re.compile(
    r"(?:terms of|under|licen[cs]e:) (?:the )?"
    r"gnu (?P<kind>lesser |library |affero )?general public license"
    r"(?: \(\w+\))?(?: as published by the free software foundation)?"
    r"[;,:]? (?:(?:either )?version|v\.?) ?(?P<version>[123](?:\.[01])?)"
    r"(?P<later> of the license,? or \(at your option\) any later version)?"
)
_FAMILIES = {None: "GPL", "lesser ": "LGPL", "library ": "LGPL", "affero ": "AGPL"}


@dataclass(frozen=True, slots=True)
class Mark:
    """How a licence is told.

    Attributes:
        name: Its SPDX name.
        words: All are in its text.
        unless: None is.
    """

    name: str
    words: tuple[str, ...]
    unless: tuple[str, ...] = ()


_GRANT = "permission is hereby granted, free of charge, to any person obtaining a copy"
_KEEP = "above copyright notice and this permission notice"
_BSD = ("redistribution and use in source and binary forms", "redistributions of source code must retain")
_ENDORSE = "endorse or promote products derived"
_ADVERTISE = "advertising materials mentioning features"
_ISC = "copy, modify, and/or distribute this software for any purpose with or without fee"
_ISC_OLD = "copy, modify, and distribute this software for any purpose with or without fee"
_PSF = "python software foundation license version 2"
_BEOPEN = "beopen python open source license"

# Words of the texts as the SPDX licence list gives them.
MARKS = (
    Mark("MIT", (_GRANT, _KEEP), ("except as contained in this notice, the name",)),
    Mark("X11", (_GRANT, _KEEP, "except as contained in this notice, the name")),
    Mark("MIT-0", (_GRANT,), (_KEEP, "shall be included in all copies")),
    Mark("BSL-1.0", ("free of charge, to any person or organization obtaining a copy",)),
    Mark("Apache-2.0", ("apache license version 2.0, january 2004",)),
    Mark("Apache-2.0", ("licensed under the apache license, version 2.0",)),
    Mark("BSD-2-Clause", _BSD, (_ENDORSE, _ADVERTISE, "apache software foundation")),
    Mark("BSD-3-Clause", (*_BSD, _ENDORSE), (_ADVERTISE, "apache software foundation")),
    Mark("BSD-4-Clause", (*_BSD, _ENDORSE, _ADVERTISE)),
    Mark("ISC", (_ISC, "permission notice appear in all copies")),
    Mark("ISC", (_ISC_OLD, "permission notice appear in all copies")),
    Mark("0BSD", (_ISC,), ("permission notice appear in all copies", _BEOPEN)),
    Mark("GPL-1.0-only", ("gnu general public license version 1, february 1989",)),
    Mark("GPL-2.0-only", ("gnu general public license version 2, june 1991",)),
    Mark("GPL-3.0-only", ("gnu general public license version 3, 29 june 2007",)),
    Mark("LGPL-2.0-only", ("gnu library general public license version 2, june 1991",)),
    Mark("LGPL-2.1-only", ("gnu lesser general public license version 2.1, february 1999",)),
    Mark("LGPL-3.0-only", ("gnu lesser general public license version 3, 29 june 2007",)),
    Mark("AGPL-3.0-only", ("gnu affero general public license version 3, 19 november 2007",)),
    Mark("MPL-1.1", ("mozilla public license version 1.1",)),
    Mark("MPL-2.0", ("mozilla public license version 2.0",)),
    Mark("MPL-2.0", ("terms of the mozilla public license, v. 2.0",)),
    Mark("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    Mark("CC0-1.0", ("cc0 1.0 universal",)),
    Mark("CC-BY-3.0", ("attribution 3.0 unported",)),
    Mark("CC-BY-4.0", ("attribution 4.0 international",)),
    Mark("CC-BY-SA-3.0", ("attribution-sharealike 3.0 unported",)),
    Mark("CC-BY-SA-4.0", ("attribution-sharealike 4.0 international",)),
    Mark("CC-BY-NC-4.0", ("attribution-noncommercial 4.0 international",)),
    Mark("CC-BY-NC-SA-4.0", ("attribution-noncommercial-sharealike 4.0 international",)),
    Mark("Zlib", ("origin of this software must not be misrepresented", "altered source versions must be")),
    Mark("PSF-2.0", (_PSF,), (_BEOPEN,)),
    Mark("Python-2.0", (_PSF, _BEOPEN)),
    Mark("EPL-1.0", ("eclipse public license - v 1.0",)),
    Mark("EPL-2.0", ("eclipse public license - v 2.0",)),
    Mark("Artistic-1.0-Perl", ("artistic license preamble the intent of this document", "standard version")),
    Mark("Artistic-2.0", ("artistic license 2.0",)),
    Mark("BlueOak-1.0.0", ("blue oak model license version 1.0.0",)),
    Mark("WTFPL", ("do what the fuck you want to public license",)),
    Mark("GFDL-1.2-only", ("gnu free documentation license version 1.2, november 2002",)),
    Mark("GFDL-1.3-only", ("gnu free documentation license version 1.3, 3 november 2008",)),
    Mark("OFL-1.1", ("sil open font license version 1.1",)),
)


def licenses_in(text: str) -> list[str]:
    """Return the SPDX names of the licences whose text, notice or tag is in ``text``, sorted."""
    words = _words(text)
    names = {
        mark.name
        for mark in MARKS
        if all(word in words for word in mark.words) and not any(word in words for word in mark.unless)
    }
    # Texts of the GNU licences end with the notice to put into files, and name each other.
    if not any("GPL-" in name for name in names):
        noticed = set(map(_noticed, _NOTICE.finditer(words)))
        later = {name.replace("-or-later", "-only") for name in noticed if name.endswith("-or-later")}
        names |= noticed - later
    if not names and (tag := tag_of(text.encode("utf-8", "replace"))) is not None:
        names.add(tag)
    return sorted(names)


def find_license(root: Path) -> str | None:
    """Return the SPDX names of the licences at the root of a folder, joined by AND; None if there are none.

    Files called ``LICENSE``, ``COPYING`` and the like are read, and those of a folder ``LICENSES``
    (https://reuse.software). Links are not followed.
    """
    names: set[str] = set()
    for path in _files(root):
        found = set(licenses_in(_text(path)))
        # This licence is an addition to the GPL, whose text must lie beside it.
        if "lesser" in path.name.lower() and "LGPL-3.0-only" in found:
            names.discard("GPL-3.0-only")
        names |= found
    return join_names(names)


def _files(root: Path) -> list[Path]:
    try:
        names = os.listdir(root)  # noqa: PTH208 - broken names stay as they are
    except OSError:
        return []
    chosen = [root / name for name in names if _NAME.fullmatch(name) and not name.lower().endswith(_NO_TEXT)]
    if "LICENSES" in names:
        folder = root / "LICENSES"
        try:
            if stat.S_ISDIR(folder.lstat().st_mode):
                chosen += [folder / name for name in os.listdir(folder)]  # noqa: PTH208
        except OSError:
            pass
    return sorted(chosen)[:_MOST_FILES]


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return ""
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _words(text: str) -> str:
    text = _LINE_STARTS.sub("", text.lower())
    text = re.sub(r"[\"'“”‘’`*_<>]", "", text)
    return " ".join(text.split())


def _noticed(found: re.Match[str]) -> str:
    version = found["version"] if "." in found["version"] else f"{found['version']}.0"
    return f"{_FAMILIES[found['kind']]}-{version}-{'or-later' if found['later'] else 'only'}"
