"""Signals of C and C++, which share all definitions but the words that print."""

from __future__ import annotations

import re
from collections.abc import Callable

from corpus.signals import kernels
from corpus.signals.base import Signals, Value, described, lines_with, share
from corpus.signals.finders import INDENT, Finder, Patterns, count_closed, up_to_last
from corpus.signals.source import Source
from corpus.text.characters import kinds

PATTERNS = Patterns(
    function=lambda source: int(kernels.count_c_functions(source.searched_codes, kinds())),
    import_=re.compile(INDENT + r"#\s*+include\s++[\"<][^\">]++[\">]", re.MULTILINE),
    class_=re.compile(INDENT + r"class\s++\w++\s*+(?::[^{]*+)?\{", re.MULTILINE),
    simple_variable=re.compile(
        INDENT + r"(?:unsigned\s++)?(?:int|float|double|char|bool|std::string|auto)\s++\w++\s*+;",
        re.MULTILINE,
    ),
    # "returned;" is one as well.
    simple_return=re.compile(
        INDENT + r"return\s*+(?:(?:\w++|\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+')\s*+)?;[^\S\n]*+$",
        re.MULTILINE,
    ),
    class_end="{",
)
MAIN, BODY = re.compile(r"\bmain\s*+\("), re.compile(r"\s*+\{")
# Two words and a semicolon, "return x;" too.
VARIABLE = re.compile(r"\w\s++(?:\*++\s*+)?[\w\[\]]++\s*+(?:,\s*+(?:\*++\s*+)?[\w\[\]]++\s*+)*+(?:=[^;]*+)?;")
DIRECTIVE = re.compile(r"#\s*+(?:include|define|if|else|elif|endif|error|pragma|warning|undef|line)")
HEADERS = ("h", "hpp", "hxx", "hh", "h++")
HEAD = 200


def cate_bitsstdc(source: Source) -> Value:
    """The code begins with the header of programming contests."""
    return float("bits/stdc++.h" in source.parts.code.strip().lower()[:HEAD])


def nums_lines_main(source: Source) -> Value:
    """Definitions of main."""
    return count_closed(MAIN, source.searched, BODY)


def frac_lines_goto(source: Source) -> Value:
    """Code lines that hold "goto"."""
    return lines_with(source, "goto")


def cate_var_zero(source: Source) -> Value:
    """No variable is found."""
    return float(VARIABLE.search(up_to_last(";", source.searched)) is None)


def frac_lines_preprocessor_directives(source: Source) -> Value:
    """Code lines with a directive, "struct" or "using"; headers are not judged."""
    if source.extension in HEADERS:
        return None
    code = source.parts.code
    if "struct" not in code and "using" not in code and "#" not in code:
        return share(0, source.num_code_lines)
    found = sum(
        "struct" in line or "using" in line or ("#" in line and DIRECTIVE.search(line) is not None)
        for line in code.split("\n")
    )
    return share(found, source.num_code_lines)


def printing(*words: str) -> Callable[[Source], Value]:
    """Signal of code lines that hold any of ``words``."""
    meaning = f"Code lines that hold {' or '.join(words)}."
    return described(meaning, lambda source: lines_with(source, *words))


FINDER = Finder(patterns=PATTERNS)
_SIGNALS: Signals = {
    "frac_lines_func_ratio": FINDER.func_ratio,
    "cate_bitsstdc": cate_bitsstdc,
    "nums_lines_main": nums_lines_main,
    "frac_lines_goto": frac_lines_goto,
    "cate_var_zero": cate_var_zero,
    "score_lines_no_logic": FINDER.no_logic,
}
C: Signals = {
    **{f"qsc_codec_{name}": function for name, function in _SIGNALS.items()},
    "qsc_codec_frac_lines_print": printing("printf"),
    "qsc_codec_frac_lines_preprocessor_directives": frac_lines_preprocessor_directives,
}
CPP: Signals = {
    "qsc_codecpp_frac_lines_preprocessor_directives": frac_lines_preprocessor_directives,
    **{f"qsc_codecpp_{name}": function for name, function in _SIGNALS.items()},
    "qsc_codecpp_frac_lines_print": printing("printf", "cout"),
}
