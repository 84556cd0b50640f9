from dataclasses import replace
from pathlib import Path

import pytest

from eval.presets import PRESETS
from eval.prompts import (
    END_STOPS,
    FENCE_STOP,
    HUMANEVAL_BASE_STOPS,
    MBPP_BASE_STOPS,
    code_prompt,
    mbpp_prompt,
)
from eval.registry import find_benchmark

CODE = '\n\ndef add(a, b):\n\t"""Add."""\n\n'
ROW = {"test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0 "]}
SHOTS = [
    (f"Shot {n}.", {"test_list": [f"assert f{n}()"], "code": f"def f{n}():\r\n\treturn True"})
    for n in (1, 2, 3)
]


def test_code_is_stripped_and_ends_with_a_newline() -> None:
    parts = code_prompt(CODE, PRESETS["evalplus-main"], HUMANEVAL_BASE_STOPS)
    assert parts.prompt == parts.code_prefix == 'def add(a, b):\n\t"""Add."""\n'
    assert parts.base_stops == END_STOPS + HUMANEVAL_BASE_STOPS
    assert parts.chat_stops == (*END_STOPS, FENCE_STOP)
    assert parts.max_tokens == 768


def test_human_eval_leaves_the_code_as_it_is() -> None:
    parts = code_prompt(CODE, PRESETS["human-eval"], HUMANEVAL_BASE_STOPS)
    assert parts.prompt == parts.code_prefix == CODE


def test_opencodeeval_replaces_tabs_and_stops_at_fences() -> None:
    parts = code_prompt(CODE, PRESETS["opencodeeval"], HUMANEVAL_BASE_STOPS)
    assert parts.prompt == 'def add(a, b):\n    """Add."""\n'
    assert FENCE_STOP in parts.base_stops
    assert parts.prefill == ""
    assert "```python\ndef add" in parts.messages[0].content


def test_a_chat_sees_the_task_in_a_fence_and_begins_in_one() -> None:
    parts = code_prompt(CODE, PRESETS["default"], HUMANEVAL_BASE_STOPS)
    (message,) = parts.messages
    assert message.role == "user"
    assert '\n```\ndef add(a, b):\n\t"""Add."""\n```\n' in message.content
    assert parts.prefill.endswith("\n```python\n")


def test_mbpp_shows_three_examples_and_opens_a_fence() -> None:
    parts = mbpp_prompt("Add two numbers. ", ROW, PRESETS["default"], SHOTS)
    assert parts.code_prefix == ""
    assert parts.prompt.count("```python\n") == 4
    assert parts.prompt.endswith("assert add(1, 2) == 3\nassert add(0, 0) == 0\n\n```python\n")
    assert "def f1():\n    return True\n```\n" in parts.prompt
    assert "\r" not in parts.prompt
    assert (
        parts.prompt.index("Shot 1.") < parts.prompt.index("Shot 3.") < parts.prompt.index("Add two numbers.")
    )
    assert "\n```" in parts.base_stops
    assert not parts.messages[0].content.endswith("```python\n")


def test_mbpp_without_examples_is_a_docstring() -> None:
    parts = mbpp_prompt("Add two numbers.", ROW, replace(PRESETS["default"], mbpp_shots=0), SHOTS)
    assert parts.prompt == parts.code_prefix == '"""\nAdd two numbers.\nassert add(1, 2) == 3\n"""\n'
    assert parts.base_stops == END_STOPS + MBPP_BASE_STOPS


def test_opencodeeval_looks_for_the_program_in_prompt_and_answer() -> None:
    parts = mbpp_prompt("Add two numbers.", ROW, PRESETS["opencodeeval"], SHOTS)
    assert parts.code_prefix == parts.prompt == parts.messages[0].content
    assert parts.base_stops == (*END_STOPS, FENCE_STOP, *HUMANEVAL_BASE_STOPS)


@pytest.mark.parametrize(
    ("name", "preset", "number", "shown"),
    [
        ("humaneval", "default", 0, ["def has_close_elements"]),
        ("humaneval+", "evalplus-0.3.1", 115, ["import math", "def max_fill"]),
        ("mbpp+", "evalplus-main", 2, ["shared elements", "assert "]),
        ("mbpp", "default", 11, ["min_cost", "similar_elements", "is_not_prime", "remove_Occ"]),
        ("mbpp-sanitized", "default", 6, ["similar_elements", "is_not_prime", "heap_queue_largest"]),
    ],
)
def test_real_tasks(real_data: Path, name: str, preset: str, number: int, shown: list[str]) -> None:
    benchmark = find_benchmark(name)
    parts = benchmark.prompt(benchmark.load().task(number), PRESETS[preset])
    for text in shown:
        assert text in parts.prompt
        assert text in parts.messages[0].content


def test_a_task_is_no_example_for_itself(real_data: Path) -> None:
    benchmark = find_benchmark("mbpp-sanitized")
    task = benchmark.load().task(3)
    parts = benchmark.prompt(task, PRESETS["default"])
    assert parts.prompt.count(task.prompt) == 1
