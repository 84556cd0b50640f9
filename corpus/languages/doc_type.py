"""The document type of a language: code, data or text; and the languages that no corpus takes.

The rule, its exceptions and the exclusion list are those of OpenCoder-llm/opc_data_filtering (commit 44b857e,
MIT), found by comparing its type table with linguist's types. Names are linguist's, lower-cased.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DocType = Literal["code", "data", "text", "excluded", "unknown"]


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file was found to be.

    Args:
        language: Name of the language, or ``unknown``.
        doc_type: ``code``, ``data`` or ``text``; ``excluded`` where the language is on the exclusion list.
    """

    language: str
    doc_type: DocType


UNKNOWN = Detected("unknown", "unknown")

# The names of upstream's that differ from those of linguist 9.6.0, lower-cased: 7 of 731. Two are spelled
# without their sign and stay so here, since rule sets and signals are named by them; linguist has dropped
# Prover9.
UPSTREAM_TO_LINGUIST: dict[str, str | None] = {
    "coq": "rocq prover",
    "cpp": "c++",
    "csharp": "c#",
    "mathematica": "wolfram language",
    "prover9": None,
    "robots.txt": "robots exclusion rules",
    "saltstack": "salt",
}
_KEPT = frozenset({"cpp", "csharp"})

_BY_LINGUIST_TYPE: dict[str, DocType] = {
    "programming": "code",
    "markup": "code",
    "data": "data",
    "prose": "text",
}
_EXCEPTIONS: dict[str, DocType] = {
    **dict.fromkeys(("mdx", "rich text format", "roff", "srecode template", "tex"), "text"),
    **dict.fromkeys(("bibtex", "cartocss", "css", "linker script", "postcss", "scss"), "data"),
    **dict.fromkeys(("diff", "sql"), "code"),
}

# Upstream spells one of them "Gerber Image" and so never excludes it; here it is excluded.
EXCLUDED: frozenset[str] = frozenset(
    {
        *("2-dimensional array", "adblock filter list", "ags script", "bicep", "checksums", "collada", "csv"),
        *("directx 3d file", "e-mail", "g-code", "gerber image", "git revision list", "gnuplot", "irc log"),
        *("jupyter notebook", "kicad layout", "kicad legacy layout", "kicad schematic", "lasso"),
        *("linux kernel module", "max", "microsoft developer studio project"),
        *("microsoft visual studio solution", "pic", "pickle", "postscript", "pov-ray sdl", "public key"),
        *("pure data", "purebasic", "raw token data", "robots exclusion rules", "roff manpage", "stl"),
        *("subrip text", "svg", "tsv", "unity3d asset", "wavefront object", "webvtt", "x pixmap"),
    }
)


def doc_type_of(name: str, linguist_type: str) -> DocType:
    """Return the type of language ``name``, whether or not it is excluded.

    Args:
        name: Name as in the table.
        linguist_type: ``programming``, ``markup``, ``data`` or ``prose``.
    """
    return _EXCEPTIONS.get(name) or _BY_LINGUIST_TYPE[linguist_type]


def present_name(upstream: str) -> str:
    """Return the name that the table has for a language of upstream's; itself where nothing has changed."""
    return upstream if upstream in _KEPT else UPSTREAM_TO_LINGUIST.get(upstream) or upstream
