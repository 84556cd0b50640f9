"""Which rules a file is judged by."""

from __future__ import annotations

from corpus.filters import c, csharp, data, go, html, java, javascript, others, python, shell, sql, text
from corpus.filters.base import Rule

BY_LANGUAGE: dict[str, tuple[Rule, ...]] = {
    "c": c.C,
    "cpp": c.CPP,
    "csharp": csharp.RULES,
    "go": go.RULES,
    "html": html.RULES,
    "java": java.RULES,
    "javascript": javascript.RULES,
    "python": python.RULES,
    "shell": shell.RULES,
    "sql": sql.RULES,
}


def rules_for(doc_type: str, language: str, natural_language: str) -> tuple[Rule, ...]:
    """Rules of a file; prose goes by its natural language, programs by theirs."""
    if doc_type == "text":
        return text.CHINESE if natural_language == "zh" else text.ENGLISH
    return BY_LANGUAGE.get(language, data.RULES if doc_type == "data" else others.RULES)
