"""Signals of Java."""

from __future__ import annotations

import re
from collections.abc import Callable

from corpus.signals.base import Signals, Value, lines_with, share
from corpus.signals.finders import INDENT, Finder, Patterns, calls, up_to_last
from corpus.signals.source import Source

_TYPE = r"(?:int|float|boolean|char|double|String|[A-Z]\w*(?:<\w+>)?)"
_DECLARED = rf"{INDENT}(?:(?:public|protected|private|final|static)\s+)*{_TYPE}\s+(\w+)\s*"
VARIABLE = re.compile(_DECLARED + r"(?:=[^;]*+)?;", re.MULTILINE)
FUNCTION_START = (
    INDENT
    + r"(?:(?:public|protected|private|static)\s+)*(?:<\w+>\s+)?(?!public|protected|private|if|else)\w++\s++"
    r"(\w++)\s*+\("
)
FUNCTION = re.compile(FUNCTION_START + r"[^)]*\)", re.MULTILINE)
PATTERNS = Patterns(
    function=calls(FUNCTION_START),
    import_=re.compile(INDENT + r"import\s+[\w.]+(?:\.\*)?\s*;", re.MULTILINE),
    class_=re.compile(
        INDENT + r"(?:(?:public|protected|private)\s+)?(?:(?:final|abstract)\s+)?class\s+(\w+)", re.MULTILINE
    ),
    simple_variable=re.compile(_DECLARED + ";", re.MULTILINE),
    simple_return=re.compile(INDENT + r"return(?:\s+(?:\w+|\"[^\"]*\"))?\s*;", re.MULTILINE),
)
FINDER = Finder(patterns=PATTERNS)
MODIFIER = re.compile(r"\s*(?:public|protected|private)\b")


def cate_var_zero(source: Source) -> Value:
    """No variable is found."""
    return float(VARIABLE.search(up_to_last(";", source.parts.code)) is None)


def frac_words_no_modifier(source: Source) -> Value:
    """Functions with an access modifier, in spite of the name; no rule uses it."""
    found = [match.group() for match in FUNCTION.finditer(source.parts.code)]
    return share(sum(MODIFIER.match(text) is not None for text in found), len(found))


def legal(pattern: re.Pattern[str], name: str) -> Callable[[Source], Value]:
    """Signal of matches of ``pattern`` whose second character fits ``name``; no rule uses it."""

    def signal(source: Source) -> Value:
        found = pattern.findall(source.parts.code)
        return share(sum(re.match(name, text) is not None for text in found), len(found))

    return signal


def frac_lines_print(source: Source) -> Value:
    """Code lines that print."""
    return lines_with(source, "System.out.print")


SIGNALS: Signals = {
    "qsc_codejava_cate_var_zero": cate_var_zero,
    "qsc_codejava_frac_lines_func_ratio": FINDER.func_ratio,
    "qsc_codejava_score_lines_no_logic": FINDER.no_logic,
    "qsc_codejava_frac_words_no_modifier": frac_words_no_modifier,
    "qsc_codejava_frac_words_legal_var_name": legal(VARIABLE, "[a-z]"),
    "qsc_codejava_frac_words_legal_func_name": legal(FUNCTION, "[a-z]"),
    "qsc_codejava_frac_words_legal_class_name": legal(PATTERNS.class_, "[A-Z]"),
    "qsc_codejava_frac_lines_print": frac_lines_print,
}
