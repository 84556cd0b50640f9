"""Signals of C#."""

from __future__ import annotations

import re

from corpus.signals.base import Signals, Value, lines_with
from corpus.signals.finders import INDENT, Finder, Patterns, calls
from corpus.signals.source import Source

# One-word types only: List<int> and int[] do not match, while "return f(x)" and "new X(..)" do.
PATTERNS = Patterns(
    function=calls(
        INDENT
        + r"(?:(?:public|protected|private|internal)\s++)?(?:(?:static|virtual|override|abstract|async)\s++)?"
        r"(?!public|protected|private|if|else)(?:<\w++>\s*+)?\w++\s++\w++\s*+\("
    ),
    import_=re.compile(INDENT + r"using\s++[a-zA-Z0-9_.]++\s*+;", re.MULTILINE),
    class_=re.compile(r"\b(?:public|private|protected|internal|static|abstract|sealed)?class\s++\w++"),
    simple_variable=re.compile(
        r"\b(?:s?byte|u?(?:short|int|long)|float|double|decimal|char|string|bool)\s++\w++\s*+;"
    ),
    # What is returned may follow on the next line, but not without a blank before it.
    simple_return=re.compile(INDENT + r"return\b(?:\s++[^;\s][^;\n]*+)?\s*+;", re.MULTILINE),
)
VARIABLE = re.compile(
    r"\b(?:int|float|double|char|string|var|bool|byte|sbyte|short|ushort|uint|long|ulong|decimal)\s+\w"
)
FINDER = Finder(patterns=PATTERNS)


def cate_var_zero(source: Source) -> Value:
    """Always false in the original rules, which compare a list with 0."""
    return 0.0


def has_no_variable(source: Source) -> Value:
    """No variable of a built-in type, nor one whose type is inferred, is found."""
    return float(VARIABLE.search(source.parts.code) is None)


def frac_lines_print(source: Source) -> Value:
    """Code lines that print."""
    return lines_with(source, "Console.WriteLine")


SIGNALS: Signals = {
    "qsc_codecsharp_frac_lines_func_ratio": FINDER.func_ratio,
    "qsc_codecsharp_cate_var_zero": cate_var_zero,
    "qsc_codecsharp_score_lines_no_logic": FINDER.no_logic,
    "qsc_codecsharp_frac_lines_print": frac_lines_print,
}
REPAIRED: Signals = {**SIGNALS, "qsc_codecsharp_cate_var_zero": has_no_variable}
