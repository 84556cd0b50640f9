"""Runs the rules of a Pygments lexer, trying at each place only those that can match the character there.

Of some twenty rules that a lexer tries for a token, most cannot begin with the next character. What each can
begin with is read off its pattern, and where that is not plain, a rule is taken to begin with anything; so
the tokens are those of the lexer itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from re import _parser as parser  # type: ignore[attr-defined] # the only reader of patterns there is
from typing import Any, NamedTuple

from pygments.lexer import Lexer, RegexLexer
from pygments.lexers.c_cpp import CFamilyLexer
from pygments.token import Error, Whitespace, _TokenType

ASCII = frozenset(map(chr, range(128)))
_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip


class _First(NamedTuple):
    """ASCII characters that a match may begin with, and whether it may be empty."""

    chars: frozenset[str]
    empty: bool


_ANYTHING = _First(ASCII, True)


def first_chars(pattern: re.Pattern[str]) -> frozenset[str] | None:
    """ASCII characters that a match of ``pattern`` may begin with; None for any, or if it may be empty."""
    try:
        found = _of_sequence(
            parser.parse(pattern.pattern, pattern.flags), bool(pattern.flags & re.IGNORECASE)
        )
    except (re.error, AttributeError, TypeError, ValueError):
        return None
    return None if found.empty else found.chars


def _of_sequence(items: Any, any_case: bool) -> _First:
    chars: frozenset[str] = frozenset()
    for item in items:
        found = _of_item(item[0], item[1], any_case)
        chars |= found.chars
        if not found.empty:
            return _First(chars, False)
    return _First(chars, True)


def _of_item(kind: Any, value: Any, any_case: bool) -> _First:
    match str(kind):
        case "LITERAL" if value < 128:
            return _First(_cases(frozenset(chr(value)), any_case), False)
        case "LITERAL" if not any_case:
            return _First(frozenset(), False)
        case "NOT_LITERAL" | "ANY":
            return _First(ASCII, False)
        case "IN":
            return _First(_of_set(value, any_case), False)
        case "BRANCH":
            branches = [_of_sequence(branch, any_case) for branch in value[1]]
            chars = frozenset[str]().union(*(branch.chars for branch in branches))
            return _First(chars, any(branch.empty for branch in branches))
        case "SUBPATTERN" if not value[1] and not value[2]:
            return _of_sequence(value[3], any_case)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            found = _of_sequence(value[2], any_case)
            return _First(found.chars, found.empty or value[0] == 0)
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return _First(frozenset(), True)
    return _ANYTHING


def _of_set(items: Sequence[Any], any_case: bool) -> frozenset[str]:
    chars: frozenset[str] = frozenset()
    negated = False
    for kind, value in items:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                chars |= {chr(value)}
            case "RANGE":
                chars |= {char for char in ASCII if value[0] <= ord(char) <= value[1]}
            case "CATEGORY" if str(value) in _CATEGORIES:
                category = re.compile(_CATEGORIES[str(value)])
                chars |= {char for char in ASCII if category.match(char)}
            case _:
                return ASCII
    if any_case and (negated or any(char not in ASCII for char in chars)):
        return ASCII  # a few letters beyond ASCII have their other case within
    return ASCII - chars if negated else _cases(chars & ASCII, any_case)


def _cases(chars: frozenset[str], any_case: bool) -> frozenset[str]:
    return chars | {char.swapcase() for char in chars} if any_case else chars


_Rule = tuple[Callable[[str, int], "re.Match[str] | None"], Any, Any]


class Driver:
    """The rules of one lexer, sorted by what they may begin with.

    Args:
        lexer: One that ``drives`` approves of.
    """

    def __init__(self, lexer: Any) -> None:
        self._lexer = lexer
        self._first: dict[str, list[frozenset[str] | None]] = {}
        self._rules: dict[str, dict[str, list[_Rule]]] = {}

    @staticmethod
    def drives(lexer: Lexer) -> bool:
        """Whether ``lexer`` runs its rules as its base class does; that of C renames tokens, no comments."""
        own = type(lexer).__dict__.get("get_tokens_unprocessed")
        inherited = getattr(type(lexer), "get_tokens_unprocessed", None)
        plain = (RegexLexer.get_tokens_unprocessed, CFamilyLexer.get_tokens_unprocessed)
        return isinstance(lexer, RegexLexer) and (own or inherited) in plain

    def tokens(self, text: str) -> Iterator[tuple[Any, str]]:
        """Kinds and texts of the tokens of a text that the lexer has prepared."""
        at = 0
        stack = ["root"]
        rules = self._rules.setdefault("root", {})
        while True:
            # A character beyond ASCII, or the end, is tried with all rules.
            char = text[at : at + 1]
            found = rules.get(char)
            if found is None:
                found = rules[char] = self._rules_for(stack[-1], char)
            for match, action, new_state in found:
                matched = match(text, at)
                if matched is None:
                    continue
                if type(action) is _TokenType:
                    yield action, matched.group()
                elif action is not None:
                    for _, kind, value in action(self._lexer, matched):
                        yield kind, value
                at = matched.end()
                if new_state is not None:
                    _change(stack, new_state)
                    rules = self._rules.setdefault(stack[-1], {})
                break
            else:
                if not char:
                    return
                at += 1
                if char == "\n":
                    stack = ["root"]
                    rules = self._rules.setdefault("root", {})
                yield (Whitespace if char == "\n" else Error), char

    def _rules_for(self, state: str, char: str) -> list[_Rule]:
        rules: list[_Rule] = self._lexer._tokens[state]
        if char not in ASCII:
            return rules
        if state not in self._first:
            self._first[state] = [_first_of_rule(rule) for rule in rules]
        firsts = self._first[state]
        return [rule for rule, chars in zip(rules, firsts, strict=True) if chars is None or char in chars]


def _first_of_rule(rule: _Rule) -> frozenset[str] | None:
    pattern = getattr(rule[0], "__self__", None)
    return first_chars(pattern) if isinstance(pattern, re.Pattern) else None


def _change(stack: list[str], new_state: Any) -> None:
    """What a rule does to the stack of states, of which one always stays."""
    if isinstance(new_state, tuple):
        for state in new_state:
            if state == "#pop":
                if len(stack) > 1:
                    stack.pop()
            else:
                stack.append(stack[-1] if state == "#push" else state)
    elif isinstance(new_state, int):
        del stack[1 if abs(new_state) >= len(stack) else new_state :]
    else:
        stack.append(stack[-1])
