"""Signals of Go."""

from __future__ import annotations

import re

from corpus.signals.base import Signals, Value, lines_with, share
from corpus.signals.finders import INDENT, Finder, Patterns, calls
from corpus.signals.source import Source

# Of a block of imports only its first line counts in the original rules.
PATTERNS = Patterns(
    # What follows is taken for what the function returns, be it the "func" of the next line.
    function=calls(
        r"^func\s++(?:\(\s*+\w++\s++\*?\w++\s*+\))?\s*+\w++\s*+\(", r"\s*+(?:\([^)]++\)|[\w\[\]]++)?\s*+"
    ),
    import_=re.compile(INDENT + r"import(?: \(|[^\S\n]++\"[^\"\n]++\")[^\S\n]*+$", re.MULTILINE),
    class_=re.compile(INDENT + r"type\s++\w++\s++(?:struct|interface)\s*+\{[^}]*+\}", re.MULTILINE),
    simple_variable=re.compile(INDENT + r"var\s++\w++\s++\w++(?:\s*+;)?[^\S\n]*+$", re.MULTILINE),
    # A bare return takes the line after it along, so that two in a row are one.
    simple_return=re.compile(
        INDENT + r"return(?:\s++[^;\s][^;\n]*+(?:;[^\S\n]*+)?$|[^\S\n]*+(?:;[^\S\n]*+)?$)", re.MULTILINE
    ),
    class_end="}",
)
IMPORT = re.compile(r"import\s+\"[^\"]+\"$")
VARIABLE = re.compile(
    r"^[^\S\n]*+(?:(?:var|const)\s++(?:\w++(?:,\s*+\w++)*+(?:\s++[\w\[\]*]|\s*+=\s*+[^;\s])|\(\s*+\w++\s++[\w*\[\]])"
    r"|\w++(?:\s*+,\s*+\w++)*+\s*+:=\s*+[^;\s])",
    re.MULTILINE,
)
FINDER = Finder(patterns=PATTERNS)


def cate_testfile(source: Source) -> Value:
    """The file is one that ``go test`` runs."""
    return float(source.filename.lower().endswith("_test.go"))


def cate_var_zero(source: Source) -> Value:
    """Always false in the original rules, which compare a list with 0."""
    return 0.0


def has_no_variable(source: Source) -> Value:
    """No variable or constant is found, by keyword or by ``:=``."""
    return float(VARIABLE.search(source.parts.code) is None)


def no_logic(source: Source) -> Value:
    """Functions, imports, classes, simple variables and simple returns, per code line."""
    functions, _, *others = PATTERNS.counts(source)
    return share(functions + _num_imports(source.parts.code) + sum(others), source.num_code_lines)


def _num_imports(code: str) -> int:
    """Lines of imports; those of a block with its first and last."""
    found = 0
    in_block = False
    for line in code.split("\n"):
        text = line.strip()
        if in_block or text == "import (" or IMPORT.match(text):
            found += 1
        in_block = text == "import (" or (in_block and text != ")")
    return found


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
REPAIRED: Signals = {
    **SIGNALS,
    "qsc_codego_cate_var_zero": has_no_variable,
    "qsc_codego_score_lines_no_logic": no_logic,
}
