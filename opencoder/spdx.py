"""Names of licences as SPDX writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

KNOWN = (
    "0BSD", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0", "BSD-2-Clause",
    "BSD-3-Clause", "BSL-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "EPL-1.0", "EPL-2.0",
    "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.1-only",
    "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MPL-1.1", "MPL-2.0",
    "PSF-2.0", "Python-2.0", "Unlicense", "WTFPL", "Zlib",
)  # fmt: skip
# GitHub's own names, which data sets of its files use.
_OLD = {
    "agpl-3.0": "AGPL-3.0-only",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
}
_SPELLED = {name.lower(): name for name in KNOWN} | _OLD


def spelled(name: str) -> str:
    """Return a name in the case that SPDX gives it; one that is not known stays as it is."""
    return _SPELLED.get(name.strip().lower(), name.strip())


def join_names(names: Iterable[str]) -> str | None:
    """Join names of licences that hold together, each once, sorted; None if there are none.

    Known names get the case that SPDX gives them, others stay as they are.
    """
    found = sorted({spelled(name) for name in names if name.strip()})
    # `A OR B` binds weaker than AND.
    joined = [f"({name})" if len(found) > 1 and " or " in name.lower() else name for name in found]
    return " AND ".join(joined) or None


_NAME = rb"\(*[A-Za-z0-9][A-Za-z0-9.+-]*\)*"
_TAG = re.compile(
    rb"SPDX-License-Identifier:[ \t]*(" + _NAME + rb"(?:[ \t]+(?i:AND|OR|WITH)[ \t]+" + _NAME + rb")*)"
)
_TAG_BYTES = 4096


def tag_of(content: bytes) -> str | None:
    """Return the licence that a file names near its start in an ``SPDX-License-Identifier`` tag.

    Source: SPDX specification 2.3, annex E.
    """
    found = _TAG.search(content, 0, _TAG_BYTES)
    if found is None:
        return None
    text = found[1].decode("ascii")
    # A comment that holds the tag may have closed a bracket of its own.
    while text.endswith(")") and text.count(")") > text.count("("):
        text = text[:-1]
    words = (word.upper() if word.lower() in ("and", "or", "with") else word for word in text.split())
    return " ".join(map(spelled, words))
