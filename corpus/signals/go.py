"""Signals of Go."""

from __future__ import annotations

import re

from corpus.signals.base import Signals, Value, lines_with
from corpus.signals.finders import Finder, Patterns
from corpus.signals.source import Source

# Of a block of imports only its first line counts in the original rules.
PATTERNS = Patterns(
    function=re.compile(r"^func\s+(?:\(\w+\s+\*?\w+\)\s*)?\w+\s*\([^)]*\)", re.MULTILINE),
    import_=re.compile(r"^\s*import\b", re.MULTILINE),
    class_=re.compile(r"^\s*type\s+\w+\s+(?:struct|interface)\s*\{[^}]*\}", re.MULTILINE),
    simple_variable=re.compile(r"^\s*var\s+\w+\s+\w+\s*$", re.MULTILINE),
    simple_return=re.compile(r"^\s*return\b[^;\n]*$", re.MULTILINE),
)
FINDER = Finder(patterns=PATTERNS)


def cate_testfile(source: Source) -> Value:
    """The file is one that ``go test`` runs."""
    return float(source.filename.endswith("_test.go"))


def cate_var_zero(source: Source) -> Value:
    """Always false in the original rules, which compare a list with 0."""
    return 0.0


def frac_lines_print(source: Source) -> Value:
    """Code lines that print."""
    return lines_with(source, "fmt.Print")


SIGNALS: Signals = {
    "qsc_codego_cate_testfile": cate_testfile,
    "qsc_codego_frac_lines_func_ratio": FINDER.func_ratio,
    "qsc_codego_cate_var_zero": cate_var_zero,
    "qsc_codego_score_lines_no_logic": FINDER.no_logic,
    "qsc_codego_frac_lines_print": frac_lines_print,
}
