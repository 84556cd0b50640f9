"""Which rows hold a held-out task: rules, their limits, and what they say."""

from __future__ import annotations

import pytest

from opencoder.records import Message
from synth.decontam.detector import Detector, Match
from synth.decontam.references import Reference
from synth.record import IoTest, Row


def found(matches: list[Match], tier: str = "contaminated") -> set[tuple[str, str]]:
    return {(match.task_id, match.rule) for match in matches if match.tier == tier}


def ask(question: str) -> Row:
    return Row(messages=[Message("user", question)])


@pytest.mark.parametrize(
    "code",
    [
        "def count_lanterns(n):\n    return n",
        "class Harbour:\n    def count_lanterns(self, width, spacing):\n        return 0",
        "async def count_lanterns(a, b): ...",
        "function count_lanterns(width) { return 1; }",
        "const count_lanterns = (width, spacing) => 1;",
        "int count_lanterns(int width, int spacing) {\n  return 1;\n}",
        "func (h Harbour) count_lanterns(width int) int { return 1 }",
        "count_lanterns = lambda width: 3",
    ],
)
def test_a_defined_function_counts(own: Detector, code: str) -> None:
    in_code, in_answer = Row(code=code), Row(messages=[Message("assistant", f"So:\n```\n{code}\n```")])
    for row in (in_code, in_answer):
        matches = own.find(row)
        assert found(matches) == {("own/1", "entry_point")}
        assert "count_lanterns" in matches[0].text


@pytest.mark.parametrize(
    "question",
    [
        "Please write `count_lanterns`.",
        "Write `count_lanterns(width, spacing)` for me.",
        "I need a function named count_lanterns for this.",
        'A method called "count_lanterns" is needed.',
        "Write the function count_lanterns in Python.",
        "Complete this:\ndef count_lanterns(w):",
        "It must pass:\nassert math.isclose(count_lanterns(1, 2), 3)",
        "请编写一个名为 count_lanterns 的函数",
        "请编写函数count_lanterns。",
    ],
)
def test_a_function_that_is_asked_for_counts(own: Detector, question: str) -> None:
    assert found(own.find(ask(question))) == {("own/1", "entry_point")}
    assert found(own.find_texts([question])) == {("own/1", "entry_point")}


@pytest.mark.parametrize(
    "row",
    [
        Row(code="total = count_lanterns(3, 4)"),
        Row(code="from harbour import count_lanterns"),
        Row(messages=[Message("assistant", "Then `count_lanterns` would be called.")]),
        Row(code="class Harbour:\n    def count_lanterns(self): return self.n"),
        Row(code="def count_lanterns_twice(width, spacing): ..."),
        ask("How do I count lanterns?"),
        Row(),
    ],
)
def test_a_function_that_is_only_used_does_not_count(own: Detector, row: Row) -> None:
    assert own.find(row) == []


def test_the_entry_point_of_a_row_counts(own: Detector) -> None:
    assert found(own.find(Row(entry_point="count_lanterns"))) == {("own/1", "entry_point")}
    assert found(own.find_texts(["Hello"], entry_point="count_lanterns")) == {("own/1", "entry_point")}
    assert own.find(Row(entry_point="pick")) == []
    assert found(own.find(Row(testcase=["assert count_lanterns(1, 2) == 3"]))) == {("own/1", "entry_point")}


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("def pick(apples, pears): ...", True),
        ("def pick(apples: list[int], pears: dict[str, int] = {}) -> int: ...", True),
        ("def pick(pears, apples): ...", False),
        ("def pick(apples): ...", False),
        ("def pick(): ...", False),
        ("class Basket:\n    def pick(self, apples, pears): ...", False),
        ("def pick(a, b):\n    '''Choose the riper fruit of two baskets.'''", True),
        ("def f(x): ...", False),
        ("def f(x):\n    return 12 if x else 0", True),
        ("def f(y): ...", False),
    ],
)
def test_a_generic_name_needs_arguments_or_description(own: Detector, code: str, counts: bool) -> None:
    assert bool(own.find(Row(code=code))) is counts


def test_a_name_of_many_tasks_needs_arguments() -> None:
    tasks = [
        Reference(task_id=str(number), solution=f"def task_func(arg_{number}): ...", entry_point="task_func")
        for number in range(5)
    ]
    detector = Detector(tasks)
    assert found(detector.find(Row(code="def task_func(arg_3): ..."))) == {("3", "entry_point")}
    assert detector.find(Row(code="def task_func(own): ...")) == []


def test_ten_words_of_prompt_solution_or_tests_count(own: Detector) -> None:
    told = "He said: how many LANTERNS a harbour; of\n\n   given width, needs (at night), then left."
    matches = own.find(ask(told))
    assert found(matches) == {("own/1", "ten_gram")}
    assert matches[0].text == "how many LANTERNS a harbour; of\n\n   given width, needs (at night"
    assert own.find(ask("how many lanterns a harbour of given width needs")) == []
    code = "def other(width, spacing):\n    posts = width // spacing + 1\n    return posts if width % spacing"
    assert ("own/1", "ten_gram") in found(own.find(Row(code=code)))
    program = Row(stdin_tests=[IoTest(input=told, output="")])
    assert found(own.find(program)) == {("own/1", "ten_gram")}


def test_runs_of_numbers_and_of_loops_do_not_count(own: Detector) -> None:
    assert own.find(Row(code="x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]")) == []
    loop = (
        "for i in range(0, n):\n    for j in range(0, i):\n        if arr[i] == arr[j]:\n            print(i)"
    )
    detector = Detector([Reference(solution=loop + f"\nlantern({n})") for n in range(2)])
    assert found(detector.find(Row(code=loop + "\nx = 1"))) == set()


def test_what_many_tasks_share_does_not_count() -> None:
    form = "Write a python function for the harbour master who has to keep the following rule in mind:"
    tasks = [Reference(task_id=str(number), prompt=f"{form} rule{number}") for number in range(5)]
    assert found(Detector(tasks).find(ask(f"{form} something of mine"))) == set()
    assert found(Detector(tasks).find(ask(f"{form} rule3"))) == {("3", "ten_gram")}
    assert found(Detector(tasks[:2]).find(ask(f"{form} mine"))) == {("0", "ten_gram"), ("1", "ten_gram")}


def test_a_short_prompt_counts_as_a_whole(own: Detector) -> None:
    matches = own.find(ask("Task 3. compute the Hexagonal lattice number, quickly"))
    assert found(matches) == {("7", "prompt")}
    assert matches[0].text == "compute the Hexagonal lattice number"
    assert own.find(ask("Compute the hexagonal lattice")) == []
    assert own.find(ask("Compute the hexagonal lattice numbers")) == []
    assert own.find(ask("Numbers.")) == []  # too short to be known by


def test_near_texts_are_a_warning(own: Detector, own_references: list[Reference]) -> None:
    near = "Write a function that gives back how many lamps a harbour of given width needs by night."
    matches = own.find(ask(near))
    assert found(matches, "warning") == {("own/1", "near")}
    assert found(matches) == set()
    code = own_references[0].solution.replace("count_lanterns", "lamps").replace("if", "if not")
    row = Row(code=f"# Lamps of a harbour.\n{code}")
    assert found(own.find(row), "warning") == {("own/1", "near")}
    assert own.find(ask("Write a function that tells how wide a harbour is.")) == []


def test_the_matched_text_is_cut(own: Detector) -> None:
    code = "x = 1; " * 100 + "def count_lanterns(): pass " + "y = 2; " * 100
    (match,) = own.find(Row(code=code))
    assert "count_lanterns" in match.text
    assert len(match.text) <= 200


def test_equal_texts_of_several_benchmarks_are_all_named() -> None:
    text = "Arrange eleven wooden chairs around the oval table so that nobody sits alone."
    tasks = [Reference(benchmark=name, task_id="1", prompt=text) for name in ("one", "two")]
    assert {match.benchmark for match in Detector(tasks).find(ask(text))} == {"one", "two"}


def test_chinese_prompts_have_words_too() -> None:
    prompt = "给定一个整数数组,请返回其中最长的严格递增子序列的长度。"
    detector = Detector([Reference(task_id="zh", prompt=prompt)])
    assert found(detector.find(ask(f"题目:{prompt}谢谢"))) == {("zh", "ten_gram")}
    assert detector.find(ask("请返回数组的长度。")) == []


def test_no_references_find_nothing() -> None:
    assert Detector([]).find(Row(code="def f(x): return x")) == []
    assert Detector([], "paper").find(Row(code="def f(x): return x")) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece", ["pick(", "pick \t", "pick\n \t", "def ", "pick `a(", "assert a(", "pick = (", "'''"]
)
def test_long_texts_take_no_longer_than_they_are_long(own: Detector, piece: str) -> None:
    text = "pick " + piece * (300_000 // len(piece))
    for row in (ask(text), Row(code=text)):
        assert found(own.find(row)) == set()
