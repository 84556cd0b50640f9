"""What of the held-out tasks a row holds.

``default`` finds tasks that a row defines, is asked to define, or quotes. ``paper`` is the two plain rules of
the OpenCoder paper (section 4): the entry point's name as a word anywhere, and any run of ten equal words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from synth.decontam.grams import GramIndex, PhraseIndex, Run
from synth.decontam.names import NameIndex
from synth.decontam.near import NearIndex
from synth.decontam.references import Reference
from synth.decontam.words import bare, is_content, spans, words
from synth.record import Row

Mode = Literal["default", "paper"]
Rule = Literal["entry_point", "ten_gram", "prompt", "near"]
Tier = Literal["contaminated", "warning"]

_SHOWN_CHARS = 200
_SHORTEST_PHRASE = 5
_FENCED = re.compile(r"^```[^\n`]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One held-out task in a row.

    Attributes:
        benchmark: Name of the benchmark.
        task_id: In the benchmark.
        rule: ``entry_point``: the task's function is defined or asked for; ``ten_gram``: ten words in a row
            are those of prompt, solution or tests; ``prompt``: a prompt too short for that is there as a
            whole; ``near``: question or code is nearly equal.
        tier: Whether the row is to go, or to be looked at.
        text: What of the row matched, at most 200 characters.
    """

    benchmark: str
    task_id: str
    rule: Rule
    tier: Tier
    text: str


class _Texts(NamedTuple):
    """The texts of a row: the questions, then the tests (they too ask for a function), then the others."""

    texts: list[str]
    num_questions: int
    num_asked: int
    code: str = ""
    entry_point: str = ""


class Detector:
    """Finds held-out tasks in rows.

    Args:
        references: The held-out tasks.
        mode: ``default`` or ``paper``.

    Raises:
        DependencyError: numpy or datasketch is not installed.
    """

    def __init__(self, references: Sequence[Reference], mode: Mode = "default") -> None:
        self.mode: Mode = mode
        self._references = list(references)
        self._owners: list[list[int]] = []
        held = self._distinct_texts()
        ids = [[self._references[task].task_id for task in tasks] for tasks in self._owners]
        self._grams = GramIndex(held, ids, plain=mode == "paper")
        if mode == "paper":
            self._by_name = _by_name(self._references)
        else:
            self._names = NameIndex(self._references)
            self._phrases = PhraseIndex(self._short_prompts(held))
            self._near_prompts = NearIndex(self._words_by_task(lambda one: one.prompt))
            self._near_solutions = NearIndex(self._words_by_task(lambda one: bare(one.solution)))

    def find(self, row: Row) -> list[Match]:
        """Return the held-out tasks in a row, each with the rules that found it.

        The tier ``warning`` is looked for only where no match says ``contaminated``.
        """
        return self._find(_texts_of(row))

    def find_texts(self, texts: Sequence[str], *, entry_point: str = "") -> list[Match]:
        """Return the held-out tasks in a question, before there is an answer to it.

        Args:
            texts: What is asked.
            entry_point: The function that is to be defined, where it is known.
        """
        return self._find(_Texts(list(texts), len(texts), len(texts), entry_point=entry_point))

    def _find(self, row: _Texts) -> list[Match]:
        split = [words(text) for text in row.texts]
        found: dict[tuple[int, Rule], Match] = {}
        for task, rule, text in self._certain(row, split):
            if (task, rule) not in found:
                found[task, rule] = self._match(task, rule, "contaminated", text)
        if not found and self.mode == "default":
            for task, text in self._nearly(row, split):
                found.setdefault((task, "near"), self._match(task, "near", "warning", text))
        return [found[key] for key in sorted(found)]

    def _certain(self, row: _Texts, split: list[list[str]]) -> Iterator[tuple[int, Rule, str]]:
        yield from self._plain_names(row) if self.mode == "paper" else self._defined(row, split)
        for text, found in zip(row.texts, split, strict=True):
            yield from self._quoted("ten_gram", text, self._grams.find(found))
            if self.mode == "default":
                yield from self._quoted("prompt", text, self._phrases.find(found))

    def _quoted(self, rule: Rule, text: str, runs: Sequence[Run]) -> Iterator[tuple[int, Rule, str]]:
        places = list(spans(text)) if runs else []
        for run in runs:
            shown = text[places[run.start][0] : places[run.end - 1][1]]
            for task in self._owners[run.text]:
                yield task, rule, shown

    def _defined(self, row: _Texts, split: list[list[str]]) -> Iterator[tuple[int, Rule, str]]:
        named = self._names.find(row.texts, split, num_asked=row.num_asked, entry_point=row.entry_point)
        for task, number, start, end in named:
            yield task, "entry_point", _line(row.texts[number], start, end) if end else row.entry_point

    def _plain_names(self, row: _Texts) -> Iterator[tuple[int, Rule, str]]:
        seen: set[str] = set()
        for text in row.texts:
            for match in re.finditer(r"\w+", text):
                if match[0] in self._by_name and match[0] not in seen:
                    seen.add(match[0])
                    for task in self._by_name[match[0]]:
                        yield task, "entry_point", _line(text, *match.span())

    def _nearly(self, row: _Texts, split: list[list[str]]) -> Iterator[tuple[int, str]]:
        for text, found in zip(row.texts[: row.num_questions], split, strict=False):
            for task, _ in self._near_prompts.find(found):
                yield task, text
        for task, _ in self._near_solutions.find(words(bare(row.code))):
            yield task, row.code

    def _match(self, task: int, rule: Rule, tier: Tier, text: str) -> Match:
        one = self._references[task]
        return Match(
            benchmark=one.benchmark, task_id=one.task_id, rule=rule, tier=tier, text=text[:_SHOWN_CHARS]
        )

    def _distinct_texts(self) -> list[list[str]]:
        """Return the words of all held-out texts, each once, and note in ``_owners`` whose they are."""
        numbers: dict[str, int] = {}
        for task, one in enumerate(self._references):
            for text in dict.fromkeys((one.prompt, one.solution, one.tests)):
                number = numbers.setdefault(" ".join(words(text)), len(numbers))
                if number == len(self._owners):
                    self._owners.append([])
                self._owners[number].append(task)
        return [joined.split() for joined in numbers]

    def _short_prompts(self, held: list[list[str]]) -> dict[int, list[str]]:
        """Return the prompts that have no gram that counts, but enough words to be known by."""
        prompts = {" ".join(words(one.prompt)) for one in self._references}
        silent = {number: held[number] for number in self._grams.silent if " ".join(held[number]) in prompts}
        return {number: text for number, text in silent.items() if _is_phrase(text)}

    def _words_by_task(self, text_of: Callable[[Reference], str]) -> dict[int, list[str]]:
        return {task: words(text_of(one)) for task, one in enumerate(self._references)}


def _texts_of(row: Row) -> _Texts:
    questions = [turn.content for turn in row.messages if turn.role != "assistant"]
    answers = [turn.content for turn in row.messages if turn.role == "assistant"]
    tests = ["\n".join(row.testcase), *(f"{test.input}\n{test.output}" for test in row.stdin_tests)]
    # Most answers quote the code; it need not be searched twice.
    others = [text for text in (row.code, row.test_setup) if not any(text in answer for answer in answers)]
    code = row.code or "\n".join(block for answer in answers for block in _FENCED.findall(answer))
    num_asked = len(questions) + len(tests)
    return _Texts([*questions, *tests, *answers, *others], len(questions), num_asked, code, row.entry_point)


def _is_phrase(text: Sequence[str]) -> bool:
    return len(text) >= _SHORTEST_PHRASE and sum(map(is_content, set(text))) >= 2


def _by_name(references: Iterable[Reference]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for task, one in enumerate(references):
        if one.entry_point:
            found.setdefault(one.entry_point, []).append(task)
    return found


def _line(text: str, start: int, end: int) -> str:
    """Return the line around a place, or what of it is near."""
    begin = max(text.rfind("\n", 0, start) + 1, start - _SHOWN_CHARS // 2)
    near = text[begin : begin + _SHOWN_CHARS + end - start]
    stop = near.find("\n", end - begin)
    return (near if stop < 0 else near[:stop]).strip()
