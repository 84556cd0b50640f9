"""Languages by the ending of a file's name, as the tags of rows call them."""

from __future__ import annotations

from pathlib import PurePath

_ENDINGS = {
    "python": ".py .pyi .pyw",
    "javascript": ".js .mjs .cjs .jsx",
    "typescript": ".ts .mts .cts .tsx",
    "java": ".java",
    "c": ".c .h",
    "cpp": ".cc .cpp .cxx .c++ .hh .hpp .hxx .ipp",
    "csharp": ".cs",
    "go": ".go",
    "rust": ".rs",
    "ruby": ".rb .rake .gemspec",
    "php": ".php .phtml",
    "shell": ".sh .bash .zsh .ksh",
    "kotlin": ".kt .kts",
    "swift": ".swift",
    "scala": ".scala .sc",
    "lua": ".lua",
    "perl": ".pl .pm .t",
    "r": ".r",
    "julia": ".jl",
    "haskell": ".hs",
    "sql": ".sql",
    "html": ".html .htm .xhtml",
    "markdown": ".md .markdown .mdown",
    "text": ".txt .text",
}
_LANGUAGES = {ending: language for language, endings in _ENDINGS.items() for ending in endings.split()}

PAGES = frozenset({"html", "markdown", "text"})
"""Languages that hold prose rather than code."""


def opens_as(path: str | PurePath) -> str:
    """Return the language of a file by the ending of its name (``python``); empty where it is not known."""
    return _LANGUAGES.get(PurePath(path).suffix.lower(), "")
