"""What the finders of functions, variables and more have in common, where patterns search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from corpus.signals.base import Value, share
from corpus.signals.source import Source


class Patterns(NamedTuple):
    """Patterns of one language, each searched over the code without its comments."""

    function: re.Pattern[str]
    import_: re.Pattern[str]
    class_: re.Pattern[str]
    simple_variable: re.Pattern[str]
    simple_return: re.Pattern[str]

    def counts(self, source: Source) -> list[int]:
        """How often each is found."""
        return [sum(1 for _ in pattern.finditer(source.parts.code)) for pattern in self]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finder:
    """Signals that any language with patterns has."""

    patterns: Patterns

    def func_ratio(self, source: Source) -> Value:
        """Functions per code line."""
        found = sum(1 for _ in self.patterns.function.finditer(source.parts.code))
        return share(found, source.num_code_lines)

    def no_logic(self, source: Source) -> Value:
        """Functions, imports, classes, simple variables and simple returns, per code line."""
        return share(sum(self.patterns.counts(source)), source.num_code_lines)
