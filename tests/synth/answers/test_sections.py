"""Labelled blocks of answers, in all the ways in which models write them."""

from __future__ import annotations

import pytest

from synth.answers.sections import find_blocks, find_sections, prose_of, without_thinking

CODE = "def f(x):\n    # Solution: none\n    return x"
FORMS = [
    "## Analysis\n\nLook.\n\n## Solution\n\n```python\n{code}\n```",
    "# Analysis:\nLook.\n# Solution:\n```python\n{code}\n```",
    "**Analysis**\nLook.\n\n**Solution:**\n```python\n{code}\n```",
    "**Analysis:** Look.\n**Solution**:\n```python\n{code}\n```",
    "[Analysis]\nLook.\n[Solution]\n```python\n{code}\n```",
    "[Analysis]\nLook.\n[/Analysis]\n[Solution]\n```python\n{code}\n```\n[/Solution]\nBye.",
    "<analysis>\nLook.\n</analysis>\n<solution>\n```python\n{code}\n```\n</solution>\nThat is all.",
    "Analysis: Look.\nSolution:\n```python\n{code}\n```",
    "### 1. Analysis\nLook.\n### 2. Solution\n```python\n{code}\n```",
    "Sure!\n\n## ANALYSIS ##\nLook.\n## Reference Solution\n```python\n{code}\n```",
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str) -> None:
    found = find_sections(form.replace("{code}", CODE), ["analysis", "solution"])
    assert found["analysis"] == "Look."
    assert [block.text for block in find_blocks(found["solution"])] == [CODE]
    assert "Bye" not in found["solution"]
    assert "That is all" not in found["solution"]


def test_a_section_keeps_headings_and_labels_of_its_own() -> None:
    text = "## Task\n\nDo it.\n\n### Examples\n\nInput: 3\nOutput: 4\n**Note:** care.\n\n## Notes\nnone"
    found = find_sections(text, ["task"])
    assert found["task"] == "Do it.\n\n### Examples\n\nInput: 3\nOutput: 4\n**Note:** care."


def test_what_nobody_asked_for_ends_a_section() -> None:
    text = "## Problem\nDo it.\n## Analysis\nEasy.\n## Answer\n```\nx\n```\n## Test code\n```\ny\n```"
    assert find_sections(text, ["task"]) == {"task": "Do it."}
    assert find_sections(text, ["tests"]) == {"tests": "```\ny\n```"}


def test_a_heading_inside_a_fence_is_code() -> None:
    text = "## Solution\n```markdown\n## Tests\nx\n```\n## Tests\n```\ny\n```"
    assert find_sections(text, ["solution", "tests"]) == {
        "solution": "```markdown\n## Tests\nx\n```",
        "tests": "```\ny\n```",
    }


def test_the_first_of_two_equal_headings_counts() -> None:
    assert find_sections("## Task\na\n## Task\nb", ["task"]) == {"task": "a"}


def test_blocks_know_longer_fences_and_missing_ends() -> None:
    text = "````md\n```python\nx\n```\n````\n~~~js\ny\n~~~\n```c\nz"
    assert find_blocks(text) == [("md", "```python\nx\n```"), ("js", "y"), ("c", "z")]
    assert prose_of("a\n```\nb\n```\nc") == "a\nc"


def test_thoughts_are_no_answer() -> None:
    assert without_thinking("<think>\n## Task\nno\n</think>\n\n## Task\nyes").strip() == "## Task\nyes"
    assert without_thinking("In XML <think>x</think> is a tag.") == "In XML <think>x</think> is a tag."
