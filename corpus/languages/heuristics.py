"""Telling languages that share an extension apart by what the file says, with linguist's rules."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from corpus.languages.table import load_table

# linguist looks at 50 KiB. Some of its patterns take quadratic time on many lines, on long lines and on long
# runs of blanks; hence a shorter head, of fewer and shorter lines, and no long runs in it.
# Measured on heads of one repeated token: 80 ms for the worst pattern, 2 s without the bound on lines.
HEAD_CHARS = 16_384
_LINES = 1_000
_LINE_CHARS = 500
_RUN_CHARS = 40
_LONG_RUN = re.compile(rf"(\s{{{_RUN_CHARS}}})\s+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: of each group in ``every`` one pattern matches, and none of ``never`` does."""

    language: str
    every: tuple[tuple[re.Pattern[str], ...], ...]
    never: tuple[re.Pattern[str], ...]

    def holds(self, text: str) -> bool:
        """Say whether the rule holds for ``text``."""
        if any(pattern.search(text) for pattern in self.never):
            return False
        return all(any(pattern.search(text) for pattern in group) for group in self.every)


def readable(head: bytes | str) -> str:
    """Return the start of a file as the rules want it: Unix line ends, bounded lines and gaps."""
    # Bytes: a character has at most four.
    text = head[: 4 * HEAD_CHARS].decode("utf-8", "replace") if isinstance(head, bytes) else head[:HEAD_CHARS]
    text = text[:HEAD_CHARS].removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = _LONG_RUN.sub(r"\1", text).split("\n", _LINES)[:_LINES]
    return "\n".join([line[:_LINE_CHARS] for line in lines])


def disambiguate(extension: str, text: str, candidates: Collection[str]) -> str | None:
    """Return the language of the first rule for ``extension`` that holds, of those in ``candidates``.

    Args:
        extension: With its dot, or a whole name that has rules of its own.
        text: What ``readable`` returns.
        candidates: Languages that it can be.
    """
    for rule in _rules(extension.lower()):
        if rule.language in candidates and rule.holds(text):
            return rule.language
    return None


@cache
def _rules(extension: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            language=rule["language"],
            every=tuple(tuple(map(_compiled, group)) for group in rule.get("all", ())),
            never=tuple(map(_compiled, rule.get("none", ()))),
        )
        for rule in load_table().heuristics.get(extension, ())
    )


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # In Ruby, "^" and "$" are those of every line, and classes are of ASCII on the bytes that linguist reads.
    return re.compile(pattern, re.MULTILINE | re.ASCII)
