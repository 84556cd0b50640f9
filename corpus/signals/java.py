"""Signals of Java."""

from __future__ import annotations

import re
from collections.abc import Callable

from corpus.signals.base import Signals, Value, described, lines_with, share
from corpus.signals.finders import INDENT, Finder, Patterns, calls, up_to_last
from corpus.signals.source import Source

_ACCESS = "public|protected|private"
_TYPE = r"(?:int|float|boolean|char|double|String|[A-Z][\w<>]*+)"
_DECLARED = rf"{INDENT}((?:(?:{_ACCESS}|final|static)\s++)*+{_TYPE}\s++\w++\s*+"
VARIABLE = re.compile(_DECLARED + r"(?:=[^;]++)?;)", re.MULTILINE)
_FUNCTION = rf"(?:(?:{_ACCESS}|static)\s++)*(?!{_ACCESS}|else|if)(?:<\w++>\s*+)?\w++\s++\w++\s*+\("
FUNCTION = re.compile(rf"{INDENT}({_FUNCTION}[^)]*+\)(?:\s*+throws\s++[\w, ]++)?)", re.MULTILINE)
PATTERNS = Patterns(
    function=calls(INDENT + _FUNCTION),
    import_=re.compile(INDENT + r"import\s++[\w.*]++\s*+;[^\S\n]*+$", re.MULTILINE),
    class_=re.compile(
        rf"{INDENT}(?:(?:{_ACCESS})\s++)?(?:(?:final|abstract)\s++)?class\s++([\w<>]++)", re.MULTILINE
    ),
    simple_variable=re.compile(_DECLARED + ";)", re.MULTILINE),
    simple_return=re.compile(
        INDENT + r"return(?:;|\s++(?:\w++|\"(?:[^\"\\]|\\.)*+\")?\s*+;[^\S\n]*+)$", re.MULTILINE
    ),
)
FINDER = Finder(patterns=PATTERNS)


def cate_var_zero(source: Source) -> Value:
    """No variable is found."""
    return float(VARIABLE.search(up_to_last(";", source.searched)) is None)


def frac_words_no_modifier(source: Source) -> Value:
    """Functions that speak of an access modifier, in spite of the name, among functions and classes.

    Of classes only those are counted whose very name is one. No rule uses it.
    """
    functions, classes = FUNCTION.findall(source.searched), PATTERNS.class_.findall(source.searched)
    modifiers = _ACCESS.split("|")
    modified = sum(any(word in text for word in modifiers) for text in functions)
    return share(modified + sum(name in modifiers for name in classes), len(functions) + len(classes))


def legal(meaning: str, pattern: re.Pattern[str], name: str, at: int = 1) -> Callable[[Source], Value]:
    """Signal of what ``pattern`` finds that fits ``name`` from its second character on; no rule uses it."""
    convention = re.compile(name)

    def signal(source: Source) -> Value:
        found = pattern.findall(source.searched)
        return share(sum(convention.match(text, at) is not None for text in found), len(found))

    return described(meaning, signal)


def frac_lines_print(source: Source) -> Value:
    """Code lines that print."""
    return lines_with(source, "System.out.print")


SIGNALS: Signals = {
    "qsc_codejava_cate_var_zero": cate_var_zero,
    "qsc_codejava_frac_lines_func_ratio": FINDER.func_ratio,
    "qsc_codejava_score_lines_no_logic": FINDER.no_logic,
    "qsc_codejava_frac_words_no_modifier": frac_words_no_modifier,
    "qsc_codejava_frac_words_legal_var_name": legal(
        "Variables whose declaration has a small letter in second place.", VARIABLE, "[a-z]"
    ),
    "qsc_codejava_frac_words_legal_func_name": legal(
        "Functions whose declaration has a letter in second place.", FUNCTION, "[a-zA-Z]"
    ),
    "qsc_codejava_frac_words_legal_class_name": legal(
        "Classes whose name begins with a capital and holds letters and digits only.",
        PATTERNS.class_,
        "[A-Z][a-zA-Z0-9]*$",
        at=0,
    ),
    "qsc_codejava_frac_lines_print": frac_lines_print,
}
