"""Functions that a text defines or asks for, and whether they are those of a held-out task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from synth.decontam.references import Reference
from synth.decontam.words import bare, is_content, is_generic, words

# `def name`, `function name`, `func (receiver) name`, `fn name` ...
_KEYWORD_FORM = re.compile(
    r"\b(?:def|defp|defn|function|func|fn|fun|sub|proc)[ \t]+(?:\([^()\n]{0,80}\)[ \t]*)?[`*&]?([A-Za-z_]\w*)"
)
# `type name(arguments) {`, as in C, Java and C#
_BRACE_FORM = re.compile(
    r"\b([A-Za-z_]\w*)[ \t]*\([^(){};]{0,300}\)[ \t]{0,8}(?:const\b|throws [\w., ]{1,80})?\s{0,80}\{"
)
# `const name = (arguments) =>`, `name = lambda arguments:`, `name = function(arguments)`
_VALUE_FORM = re.compile(
    r"\b([A-Za-z_]\w*)[ \t]*=[ \t]*(?:async\b[ \t]*)?(?:\([^()\n]{0,300}\)[ \t]*=>|lambda\b|function\b)"
)
_FORMS = (_KEYWORD_FORM, _BRACE_FORM, _VALUE_FORM)

_REQUESTS = (
    re.compile(r"`([A-Za-z_]\w*)(?:\([^`\n]*\))?`"),
    re.compile(
        r"\b(?:named?|called|(?:function|method) name(?: is)?)\b[:\s]{1,3}[`\"'“*]{0,3}([A-Za-z_]\w*)"
    ),
    re.compile(r"\b(?:function|method|routine|procedure)\s+[`\"'“*]{0,3}([A-Za-z_]\w*)"),
    re.compile(r"(?:名为|名叫|叫做|函数名?)[::是为\s]{0,3}[`\"'“「]?([A-Za-z_]\w*)", re.ASCII),
)
_ASSERTION = re.compile(r"^[ \t]*assert\b(.*)$", re.MULTILINE)
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
_DOCSTRING = re.compile(r"(\"\"\"|''')(.*?)\1", re.DOTALL)
_EXAMPLES = re.compile(r">>>|^[ \t]*(?:assert\b|for example|examples?\b|e\.g\.)", re.MULTILINE | re.I)

_OPENING = re.compile(r"[ \t]*(?:=[ \t]*(?:async\b[ \t]*)?(?:function\b[ \t]*)?)?\(")
_ARGUMENT_CHARS = 600
_SHORTEST_DESCRIPTION = 5
_SHORTEST_ARGUMENT = 3
_LARGEST_SHARE = 3


class Named(NamedTuple):
    """The function of task number ``task`` is at ``start`` to ``end`` of text number ``text``."""

    task: int
    text: int
    start: int
    end: int


class _Use(NamedTuple):
    name: str
    start: int
    end: int


class _Whole:
    """The words of all texts in one, between spaces."""

    def __init__(self, split: Sequence[Sequence[str]]) -> None:
        self._split = split

    @cached_property
    def words(self) -> str:
        return f" {' | '.join(' '.join(text) for text in self._split)} "


class NameIndex:
    """The functions of held-out tasks.

    A name that is generic (:func:`is_generic`), or that more than three tasks share (``task_func``), counts
    only with the arguments or the description of the task. Arguments of one or two letters, as in
    ``def add(x, y)`` and ``def f(n)``, do not suffice: there the solution must be the task's, too.
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        self._tasks: dict[str, list[int]] = {}
        self._arguments: list[tuple[str, ...]] = []
        self._descriptions: list[str] = []
        self._solutions: list[tuple[str, ...]] = []
        ids: dict[str, set[str]] = {}
        for number, reference in enumerate(references):
            name = reference.entry_point
            self._arguments.append(_own_arguments(reference) if name else ())
            self._descriptions.append(_description(reference.prompt) if name else "")
            whole = (reference.solution, bare(reference.solution)) if name else ()
            self._solutions.append(tuple(f" {' '.join(words(text))} " for text in whole))
            if name:
                self._tasks.setdefault(name, []).append(number)
                ids.setdefault(name, set()).add(reference.task_id)
        self._weak = {name for name in ids if is_generic(name) or len(ids[name]) > _LARGEST_SHARE}
        self._lowered = {name.lower() for name in self._tasks}

    def find(
        self, texts: Sequence[str], split: Sequence[Sequence[str]], *, num_asked: int, entry_point: str
    ) -> list[Named]:
        """Return the held-out functions that texts define, or are asked to define.

        Args:
            texts: Those of a user and tests first.
            split: The words of each.
            num_asked: How many of the texts are those.
            entry_point: The function that the row is known to define.
        """
        found: dict[int, Named] = {}
        seen: set[tuple[str, tuple[str, ...]]] = set()
        whole = _Whole(split)
        for number, text in enumerate(texts):
            if self._lowered.isdisjoint(split[number]):
                continue
            for use in self._uses(text, asked=number < num_asked):
                arguments = _arguments(text, use.end)
                if (use.name, arguments) in seen:
                    continue
                seen.add((use.name, arguments))
                for task in self._tasks[use.name]:
                    if task not in found and self._agrees(task, use.name, arguments, whole):
                        found[task] = Named(task, number, use.start, use.end)
        if entry_point in self._tasks and entry_point not in self._weak:
            for task in self._tasks[entry_point]:
                found.setdefault(task, _place_of(entry_point, task, texts))
        return list(found.values())

    def _uses(self, text: str, *, asked: bool) -> Iterator[_Use]:
        for pattern in (*_FORMS, *_REQUESTS) if asked else _FORMS:
            for match in pattern.finditer(text):
                if match[1] in self._tasks:
                    yield _Use(match[1], *match.span(1))
        if asked:
            for line in _ASSERTION.finditer(text):
                for match in _CALL.finditer(line[1]):
                    # The arguments of a call are values; they say nothing of a generic name.
                    if match[1] in self._tasks and match[1] not in self._weak:
                        begin = line.start(1)
                        yield _Use(match[1], begin + match.start(1), begin + match.end(1))

    def _agrees(self, task: int, name: str, arguments: tuple[str, ...], whole: _Whole) -> bool:
        own = self._arguments[task]
        if name not in self._weak and (not _is_method(arguments) or arguments[1:] == own[_is_method(own) :]):
            return True
        if arguments and arguments == own:
            telling = any(len(argument) >= _SHORTEST_ARGUMENT for argument in arguments)
            solved = telling or any(solution in whole.words for solution in self._solutions[task])
            return solved or self._is_described(task, whole)
        return self._is_described(task, whole)

    def _is_described(self, task: int, whole: _Whole) -> bool:
        description = self._descriptions[task]
        return bool(description) and description in whole.words


def _place_of(name: str, task: int, texts: Iterable[str]) -> Named:
    for number, text in enumerate(texts):
        if match := re.search(rf"\b{re.escape(name)}\b", text):
            return Named(task, number, *match.span())
    return Named(task, 0, 0, 0)


def _own_arguments(reference: Reference) -> tuple[str, ...]:
    for text in (reference.solution, reference.prompt):
        for pattern in _FORMS:
            for match in pattern.finditer(text):
                if match[1] == reference.entry_point:
                    return _arguments(text, match.end(1))
    return ()


def _description(prompt: str) -> str:
    """Return the words of what is asked, between spaces, or nothing where they are too few to tell."""
    docstring = _DOCSTRING.search(prompt)
    prose = docstring[2] if docstring else prompt
    found = words(_EXAMPLES.split(prose, maxsplit=1)[0])
    return f" {' '.join(found)} " if _tells(found) else ""


def _tells(found: Sequence[str]) -> bool:
    return len(found) >= _SHORTEST_DESCRIPTION and sum(map(is_content, set(found))) >= 3


def _arguments(text: str, end: int) -> tuple[str, ...]:
    """Return the names of the arguments in the parentheses after ``end``."""
    opening = _OPENING.match(text, end)
    if not opening:
        return ()
    depth, piece, pieces = 0, "", []
    for char in text[opening.end() : opening.end() + _ARGUMENT_CHARS]:
        if char == "," and depth == 0:
            pieces.append(piece)
            piece = ""
            continue
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            pieces.append(piece)
            return tuple(filter(None, map(_argument, pieces)))
        piece += char
    return ()


def _is_method(arguments: tuple[str, ...]) -> bool:
    return arguments[:1] in (("self",), ("cls",))


def _argument(piece: str) -> str:
    """Return the name in ``name: type = default`` or ``type name``."""
    named = re.findall(r"[A-Za-z_]\w*", piece.partition("=")[0].partition(":")[0])
    return named[-1] if named else ""
