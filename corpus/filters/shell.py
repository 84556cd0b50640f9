"""Rules of shell scripts, whose strings are everywhere."""

from __future__ import annotations

from corpus.filters import others
from corpus.filters.base import Rule, without

RULES: tuple[Rule, ...] = without(
    others.RULES,
    "qsc_code_frac_lines_long_string",
    "qsc_code_frac_chars_string_length",
    "qsc_code_frac_lines_assert",
)
