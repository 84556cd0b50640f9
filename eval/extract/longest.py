"""The longest run of lines that is a Python program, in about linear time.

EvalPlus and OpenCodeEval both look at every pair of lines and parse what lies between: a few hundred lines
of answer cost tens of thousands of parses. The same run is found here from one parse per top-level
statement. A module is a chain of statements, blank lines and comments, and a chain of chains is a chain, so
it is enough to know, for each line, how far the *one* statement that starts there can reach; the rest is
bookkeeping from the last line to the first.

The longest reach is always the right choice: where a statement could end earlier, the next significant line
is indented or begins with a clause keyword (``else`` and the like), and no statement starts with that.

A lone carriage return inside a line ends a line for Python and not for ``lines``; the run found is then
a program still, but perhaps not the longest.
"""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<plain> [^\\\#"'()\[\]{}\n:]++ | \#[^\n]*+ | \\\r?\n )
  | (?P<string> \"\"\" (?: [^\\"]++ | \\. | "(?!"") )*+ \"\"\"
              | ''' (?: [^\\']++ | \\. | '(?!'') )*+ '''
              | "(?!"") (?: [^\\"\n]++ | \\. )*+ "
              | '(?!'') (?: [^\\'\n]++ | \\. )*+ ' )
  | (?P<open> [(\[{] )
  | (?P<close> [)\]}] )
  | (?P<colon> : )
  | (?P<newline> \n )
    """,
    re.VERBOSE | re.DOTALL,
)
_FIRST_WORD = re.compile(r"(?:[ \t\f\r]|\\\r?\n)*+(@|[A-Za-z]+\b)")
_COMPOUND = frozenset({"if", "for", "while", "try", "with", "def", "class", "async", "match", "@"})
_CLAUSE = frozenset({"else", "elif", "except", "finally"})
_TRY_CLAUSE = frozenset({"except", "finally"})
_BLANK = " \t\f\r"
_TAB_WIDTH = 8

# Python's own limit of nested brackets.
_MAX_DEPTH = 200

# A logical line of more lines than this is looked at before it has ended, and again whenever it has doubled.
_FIRST_CHECK = 30


def parses(source: str) -> bool:
    """Say whether ``source`` is a syntactically valid module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _error_line(source) is None


def longest_program(lines: Sequence[str], *, min_lines: int) -> tuple[int, int] | None:
    """Find the run of lines that parses and has the most non-blank lines.

    Args:
        lines: The text, split; a run is joined with newlines again.
        min_lines: The fewest lines that count as a run (EvalPlus looks at two and more).

    Returns:
        First and last index, both inclusive; of several best runs the one that starts first, then the one
        that ends first. ``None`` where no run parses or all that do are blank.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spans = _Spans(lines)
    counts = [0]
    for line in lines:
        counts.append(counts[-1] + bool(line.strip()))
    best: tuple[int, int] | None = None
    most = 0
    for start, tight in enumerate(spans.tight):
        if tight is None or spans.reach[start] - start < min_lines:
            continue
        end = max(tight, start + min_lines)
        if counts[end] - counts[start] > most:
            most = counts[end] - counts[start]
            best = (start, end - 1)
    return best


def _error_line(source: str) -> int | None:
    """Parse; return ``None`` if valid, the 1-based line of the error, or 0 where the parser gave none."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        return error.lineno or 0
    except (MemoryError, RecursionError, ValueError):
        return 0
    return None


@dataclass(slots=True)
class _Logical:
    """One logical line.

    Args:
        end: The first line after it.
        is_header: Whether it ends with a colon, so that a block must follow.
        is_compound: Whether a block or another clause may follow.
    """

    end: int
    is_header: bool
    is_compound: bool


class _Spans:
    """How far a program that starts at each line can go.

    ``reach[i]`` is the first line after the longest program from line ``i`` (``i`` itself: none starts
    there); ``tight[i]`` the same without blank lines at its end, ``None`` where nothing but blanks is left.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._text = "\n".join(lines) + "\n"
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._logical: dict[int, _Logical | None] = {}
        size = len(lines)
        self.reach = list(range(size + 1))
        self.tight: list[int | None] = [None] * (size + 1)
        for start in range(size - 1, -1, -1):
            self._fill(start)
        del self.reach[size], self.tight[size]

    def _fill(self, start: int) -> None:
        if not self._lines[start].strip(_BLANK):
            self.reach[start] = self.reach[start + 1]
            self.tight[start] = self.tight[start + 1]
            return
        end = start + 1 if self._is_comment(start) else self._statement(start)
        if end is not None:
            self.reach[start] = self.reach[end]
            self.tight[start] = self.tight[end] or end + self._lacks_newline(start, end)

    def _lacks_newline(self, start: int, end: int) -> bool:
        """Whether the lines need one more to parse because a backslash and a blank line end them."""
        if self._lines[end - 1].strip(_BLANK):
            return False
        return not parses(self._text[self._starts[start] : self._starts[end] - 1])

    def _is_comment(self, index: int) -> bool:
        return self._lines[index].lstrip(_BLANK).startswith("#") and "\0" not in self._lines[index]

    def _statement(self, start: int) -> int | None:
        """Return the first line after the longest statement that starts at ``start``, if one does."""
        line = self._lines[start]
        bare = line.lstrip(" \t")
        if bare != line and bare[0] not in "\f\\":
            return None
        ends = self._extent(start)
        while ends:
            end = ends[-1]
            bad = _error_line(self._text[self._starts[start] : self._starts[end]])
            if bad is None:
                if self.reach[end] > end or not self._lacks_newline(start, end):
                    return end
                bad = 0
            # Nothing that holds the offending line can be saved by cutting later lines, so go back to the
            # last logical line before it; an error without a line, or beyond the end, costs one step.
            ends.pop()
            limit = start + bad - 1 if bad else end
            while ends and ends[-1] > limit:
                ends.pop()
        return None

    def _extent(self, start: int) -> list[int]:
        """Return where the statement that starts at ``start`` may end, nearest first.

        That is behind each logical line that can belong to it, but not where a block, a clause of ``try``
        or a decorated definition must follow.
        """
        ends: list[int] = []
        open_tries: list[int] = []
        index = start
        decorated = compound = True
        while compound and index < len(self._lines):
            word = self._first_word(index)
            indented = index > start and self._lines[index][0] in " \t\f\\"
            if not (indented or decorated or word in _CLAUSE):
                break
            line = self._logical_line(index)
            if line is None:
                break
            # A backslash before a blank or a comment is a line of nothing.
            if not indented or (word and self._lines[index][0] == "\\"):
                decorated = word == "@"
            self._follow_tries(index, word, open_tries)
            if not (line.is_header or decorated or open_tries):
                ends.append(line.end)
            compound = line.is_compound or index > start
            index = line.end
            while index < len(self._lines) and self._is_skipped(index):
                index += 1
        return ends

    def _follow_tries(self, index: int, word: str, open_tries: list[int]) -> None:
        """Keep ``open_tries``, the indentations of ``try`` statements without a clause, up to date."""
        line = self._lines[index]
        lead = line[: len(line) - len(line.lstrip(" \t"))]
        if line[len(lead)] in "\f\\":  # the indentation is not what it looks like
            return
        width = len(lead.expandtabs(_TAB_WIDTH))
        while open_tries and open_tries[-1] > width - (word in _TRY_CLAUSE):
            open_tries.pop()
        if word == "try":
            open_tries.append(width)

    def _is_skipped(self, index: int) -> bool:
        return not self._lines[index].strip(_BLANK) or self._is_comment(index)

    def _first_word(self, index: int) -> str:
        match = _FIRST_WORD.match(self._text, self._starts[index])
        return match.group(1) if match else ""

    def _logical_line(self, index: int) -> _Logical | None:
        """Return the logical line that starts at ``index``; ``None`` if it never ends well."""
        if index not in self._logical:
            self._logical[index] = self._scan(index)
        return self._logical[index]

    def _scan(self, index: int) -> _Logical | None:
        position = self._starts[index]
        depth = 0
        last = ""
        check_at = index + _FIRST_CHECK
        while match := _TOKEN.match(self._text, position):
            position = match.end()
            kind = match.lastgroup
            if kind == "open":
                depth += 1
            elif kind == "close":
                depth -= 1
            elif kind == "newline":
                end = bisect_right(self._starts, position - 1)
                if depth == 0:
                    is_header = last == "colon"
                    return _Logical(end, is_header, is_header or self._first_word(index) in _COMPOUND)
                if end > check_at:
                    if not self._may_go_on(index, end):
                        return None
                    check_at = index + 2 * (end - index)
                continue
            if not 0 <= depth <= _MAX_DEPTH:
                return None
            if kind != "plain" or not _is_filler(match.group()):
                last = kind or ""
        return None

    def _may_go_on(self, start: int, end: int) -> bool:
        """Whether a logical line with an open bracket is right so far (to give up on prose early)."""
        try:
            ast.parse(self._text[self._starts[start] : self._starts[end]])
        except SyntaxError as error:
            return "never closed" in error.msg or (error.lineno or end) >= end - start
        except (MemoryError, RecursionError, ValueError):
            return False
        return True


def _is_filler(token: str) -> bool:
    return token[0] in "#\\" or not token.strip(_BLANK)
