"""What is taken from an answer, and why an answer is no good."""

from __future__ import annotations

import ast

import pytest

from synth.answers.take import BadAnswer, pieces_of, take, take_json
from synth.answers.tests import read_io_tests, split_tests

GOOD = "## Analysis\n\nLook.\n\n## Solution\n\n```python\ndef f(x):\n    return x\n```\n"
WANTED = {"analysis": "text", "solution": "code"}


def test_parts_are_taken() -> None:
    found = take(GOOD, "stop", WANTED)  # type: ignore[arg-type]
    assert found == {"analysis": "Look.", "solution": "def f(x):\n    return x\n"}


def test_code_without_a_heading_is_the_code_that_is_left() -> None:
    text = "Here you are.\n\n```python\ndef f(x):\n    return x\n```\n"
    found = take(text, "stop", WANTED, optional=frozenset({"analysis"}))  # type: ignore[arg-type]
    assert found == {"analysis": "", "solution": "def f(x):\n    return x\n"}


def test_of_several_blocks_the_longest_of_the_language_counts() -> None:
    install = "```bash\npip install something-with-a-long-name-indeed\n```\n"
    text = f"{install}```python\ndef f(x):\n    return x\n```\n```python\nf(1)\n```"
    assert take(text, "stop", {"code": "code"})["code"] == "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("", "stop", "empty"),
        ("  \n", "stop", "empty"),
        ("<think>hm</think>\n", "stop", "empty"),
        (GOOD, "length", "cut_off"),
        (GOOD, "content_filter", "filtered"),
        ("x" * 1_000_000, "stop", "too_long"),
        ("## Analysis\nLook.", "stop", "no_section"),
        ("## Analysis\nLook.\n## Solution\nI will not.", "stop", "no_code"),
        ("## Analysis\nLook.\n## Solution\n```javascript\nlet x\n```", "stop", "wrong_language"),
        ("## Analysis\nLook.\n## Solution\n```python\ndef f(:\n```", "stop", "code_unreadable"),
        (
            "## Analysis\n" + "这是一个中文的说明。" * 9 + "\n## Solution\n```python\nx = 1\n```",
            "stop",
            "wrong_language",
        ),
    ],
)
def test_a_bad_answer_has_a_reason(text: str, finish: str, reason: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        take(text, finish, WANTED, natural_language="en")  # type: ignore[arg-type]
    assert caught.value.reason == reason
    assert caught.value.detail


def test_chinese_is_taken_where_it_is_wanted() -> None:
    text = "## Analysis\n" + "这是一个中文的说明。" * 9 + "\n## Solution\n```python\nx = 1\n```"
    assert take(text, "stop", WANTED, natural_language="zh")["solution"] == "x = 1\n"  # type: ignore[arg-type]
    with pytest.raises(BadAnswer, match="wrong_language"):
        take(GOOD.replace("Look.", "Look at it carefully. " * 5), "stop", WANTED, natural_language="zh")  # type: ignore[arg-type]


def test_tests_come_apart_and_together() -> None:
    text = """## Tests
```python
import math
from solution import area
LIMIT = 3
assert area(1) == 1
for n in range(LIMIT):
    assert area(n) == n * n

def helper(x):
    return x

@some.mark
def test_more():
    assert area(helper(2)) == 4

test_more()
if __name__ == "__main__":
    test_more()
```"""
    pieces = pieces_of(take(text, "stop", {"tests": "tests"})["tests"])
    assert len(pieces) == 3
    shared = "import math\nLIMIT = 3\ndef helper(x):\n    return x\n"
    assert pieces[0] == shared + "assert area(1) == 1"
    assert pieces[2] == shared + "@some.mark\ndef test_more():\n    assert area(helper(2)) == 4"
    for piece in pieces:
        ast.parse(piece)


@pytest.mark.parametrize("code", ["x = 1", "def helper():\n    return 2", "print('ok')"])
def test_tests_without_a_test_are_none(code: str) -> None:
    with pytest.raises(BadAnswer, match="no_tests"):
        take(f"```python\n{code}\n```", "stop", {"tests": "tests"})


def test_inputs_and_outputs_are_read() -> None:
    rows = read_io_tests('[{"input": "1 2\\n", "output": "3\\n"}, {"input": 4, "output": [5]}]')
    assert [(row.input, row.output) for row in rows] == [("1 2\n", "3\n"), ("4", "[5]")]
    for broken in ("[{", "[]", '{"a": 1}', '[{"input": "x"}]', "[1]"):
        with pytest.raises(BadAnswer):
            take(f"## Tests\n```json\n{broken}\n```", "stop", {"tests": "io_tests"})


def test_json_is_read_with_and_without_a_fence() -> None:
    assert take_json('{"a": 1}', "stop") == {"a": 1}
    assert take_json('<think>x</think>Here:\n```json\n{"a": 1}\n```', "stop") == {"a": 1}
    with pytest.raises(BadAnswer, match="json_broken"):
        take_json('{"a": ', "stop")


def test_unittest_classes_are_tests() -> None:
    method = "    def test_a(self):\n        self.assertEqual(f(1), 1)\n"
    code = f"import unittest\nclass T(unittest.TestCase):\n{method}unittest.main()"
    assert len(split_tests(code)) == 1
