"""What the finders of functions, variables and more have in common, where patterns search.

No pattern may read a stretch of text more than a few times: quantifiers are possessive, a line's indentation
does not reach over line ends, and what would look for a closing mark from each opening one is given a text
that ends with the last such mark, or is left to ``count_closed``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from corpus.signals.base import Value, share
from corpus.signals.source import Source

INDENT = r"^[^\S\n]*+"


class Patterns(NamedTuple):
    """Patterns of one language, each searched over the code without its comments.

    Args:
        function: Counts functions.
        import_: Imports.
        class_: Classes.
        simple_variable: Declarations of variables that get no value.
        simple_return: Returns of at most a word.
        class_end: Last character of what ``class_`` finds, where it looks for one.
    """

    function: Callable[[Source], int]
    import_: re.Pattern[str]
    class_: re.Pattern[str]
    simple_variable: re.Pattern[str]
    simple_return: re.Pattern[str]
    class_end: str = ""

    def counts(self, source: Source) -> list[int]:
        """How often each is found, in their order."""
        found: list[int] | None = source.memo.get(self)
        if found is None:
            code = source.searched
            found = [
                self.function(source),
                count(self.import_, code),
                count(self.class_, up_to_last(self.class_end, code) if self.class_end else code),
                count(self.simple_variable, code),
                count(self.simple_return, code),
            ]
            source.memo[self] = found
        return found


def count(pattern: re.Pattern[str], text: str) -> int:
    """How often ``pattern`` is found."""
    return sum(1 for _ in pattern.finditer(text))


def up_to_last(mark: str, text: str) -> str:
    """``text`` to its last ``mark``, nothing if it has none."""
    return text[: text.rfind(mark) + 1]


def count_closed(start: re.Pattern[str], text: str, tail: re.Pattern[str] | None = None) -> int:
    """How often ``start``, which ends with a bracket, the next closing one and ``tail`` follow."""
    found = at = 0
    close, end = -1, 0
    for match in start.finditer(text):
        if match.start() < at:
            continue
        if close < match.end():
            close = text.find(")", match.end())
            if close < 0:
                break
            after: Any = tail.match(text, close + 1) if tail else None
            end = close + 1 if tail is None else after.end() if after else 0
        if end:
            found += 1
            at = end
    return found


def calls(start: str, tail: str | None = None) -> Callable[[Source], int]:
    """Count what ``start``, a closing bracket and ``tail`` find."""
    pattern = re.compile(start, re.MULTILINE)
    after = None if tail is None else re.compile(tail)
    return lambda source: count_closed(pattern, source.searched, after)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finder:
    """Signals that any language with patterns has."""

    patterns: Patterns

    def func_ratio(self, source: Source) -> Value:
        """Functions per code line."""
        return share(self.patterns.counts(source)[0], source.num_code_lines)

    def no_logic(self, source: Source) -> Value:
        """Functions, imports, classes, simple variables and simple returns, per code line."""
        return share(sum(self.patterns.counts(source)), source.num_code_lines)
