"""What the teacher of the tests knows: tasks, tests and solutions that fit together, all from the prompt.

The answer to a prompt follows from its text and seed alone. A task's name holds its family and its numbers,
so tests and solution can be written from the task's text, as a real model would.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from typing import Any

WORDS = (
    "amber basin cedar delta ember fjord grove harbor island jungle kettle ladder meadow nectar orchard "
    "pebble "
    "quarry ribbon saddle timber umbrella valley willow yarrow zephyr anchor beacon candle dagger engine "
    "falcon "
    "garnet hammer insect jacket kernel lantern magnet needle oyster pillow quiver rocket shovel tunnel "
    "urchin "
    "violin walnut yogurt zipper acorn bridge copper donkey fabric goblet hollow ivory jasper kimono locket"
).split()

FAMILIES: dict[str, tuple[str, str]] = {
    "scaled_sum": (
        "Add up the numbers of `xs` that are above {b}, each times {a}; the sum of none is 0.",
        "    total = 0\n    for x in xs:\n        if x > {b}:\n            total += {a} * x\n"
        "    return total\n",
    ),
    "count_between": (
        "Count the numbers of `xs` from {a} up to {a} plus {b}, both included.",
        "    count = 0\n    for x in xs:\n        if {a} <= x <= {a} + {b}:\n            count += 1\n"
        "    return count\n",
    ),
    "clip_all": (
        "Return the numbers of `xs` in order, none below -{a} and none above {b}: others become the bound.",
        "    return [min(max(x, -{a}), {b}) for x in xs]\n",
    ),
    "first_above": (
        "Return the index of the first number of `xs` above {b}, or -{a} if there is none.",
        "    for index, x in enumerate(xs):\n        if x > {b}:\n            return index\n"
        "    return -{a}\n",
    ),
    "group_sums": (
        "Return the sums of groups of {a} numbers of `xs` in a row, each plus {b}; the last may be short.",
        "    sums = []\n    for start in range(0, len(xs), {a}):\n"
        "        sums.append(sum(xs[start:start + {a}]) + {b})\n    return sums\n",
    ),
    "blend_ends": (
        "Return {a} times the first number of `xs` plus {b} times the last; an empty list gives 0.",
        "    if not xs:\n        return 0\n    return {a} * xs[0] + {b} * xs[-1]\n",
    ),
}
"""Family: what is asked, and the body of a function of ``xs``."""

_NAME = re.compile(r"\b([a-z]+)_(" + "|".join(FAMILIES) + r")_(\d+)_(\d+)\b")
_IO_NAME = re.compile(r"Machine (\d+)-(\d+)")
_INPUTS = (
    [],
    [5],
    [1, 2, 3],
    [-4, 9, 0, 7],
    [12, 3, 12, 25, -8],
    [2, 2, 2, 2, 2, 2, 2],
    list(range(-9, 30, 4)),
)


def answer(prompt: str, seed: int, chooser: Callable[[str], str] | None = None, *, num_tasks: int = 0) -> str:
    """Return what the teacher says to a prompt.

    Args:
        prompt: All turns.
        seed: Of the request.
        chooser: Told the kind of prompt, names a fault, or nothing.
        num_tasks: How many tasks the teacher knows; 0 for no end of them.
    """
    draw = random.Random(hashlib.sha256(f"{seed}\0{prompt}".encode()).digest())
    kind = kind_of(prompt)
    if num_tasks and kind == "task":
        draw = random.Random(draw.randrange(num_tasks))
    fault = chooser(kind) if chooser else ""
    if fault:
        text = FAULTS[fault]
        if "{code}" in text:
            text = text.replace("{code}", _code(prompt).strip("`\n").removeprefix("python\n"))
        return text
    return KINDS[kind](prompt, draw)


def kind_of(prompt: str) -> str:
    """Tell what a prompt asks for."""
    marks = (
        ("## Context`", "context"), ("## Solution`", "solution"), ("## Tests`", "tests"),
        ("## Task`", "task"), ("JSON object", "marks"), ("Here are", "refine"),
    )  # fmt: skip
    return next((kind for mark, kind in marks if mark in prompt), "other")


def _task(prompt: str, draw: random.Random) -> str:
    story = " ".join(draw.choice(WORDS) for _ in range(45))
    if "standard input" in prompt:
        a, b = draw.randrange(2, 60), draw.randrange(1, 90)
        return (
            f"## Task\n\nMachine {a}-{b} of the yard ({story}). Read one line of integers, apart by blanks; "
            f"it may be empty. Write {a} times their sum plus {b}."
        )
    family = draw.choice(sorted(FAMILIES))
    a, b = draw.randrange(2, 40), draw.randrange(1, 60)
    name = f"{draw.choice(WORDS)}_{family}_{a}_{b}"
    text = FAMILIES[family][0].format(a=a, b=b)
    example = _expected(family, a, b, [1, 2, 3])
    said = f"## Task\n\nAbout {story}.\n\nWrite `{name}(xs)`. {text}"
    return f"{said}\n\nExample: `{name}([1, 2, 3])` gives {example}."


def _tests(prompt: str, draw: random.Random) -> str:
    if "JSON" in prompt:
        a, b = _machine(prompt)
        rows = [
            {"input": " ".join(map(str, xs)) + "\n", "output": f"{a * sum(xs) + b}\n"}
            for xs in ([], [1], [2, 3], [-4, 9], [10, 20, 30])
        ]
        return f"## Tests\n\n```json\n{json.dumps(rows)}\n```"
    name, family, a, b = _function(prompt)
    inputs = [*_INPUTS, [b, b + 1, a], [draw.randrange(-50, 99) for _ in range(9)]]
    lines = [f"assert {name}({xs!r}) == {_expected(family, a, b, xs)!r}" for xs in inputs]
    return "## Tests\n\n```python\n" + "\n".join(lines) + "\n```"


def _solution(prompt: str, draw: random.Random) -> str:
    return f"## Analysis\n\nEach number is looked at once.\n\n## Solution\n\n{_code(prompt)}"


def _refine(prompt: str, draw: random.Random) -> str:
    return f"The idea is to go through the numbers once.\n\n{_code(prompt)}\n\nIt takes linear time."


def _code(prompt: str) -> str:
    if found := _IO_NAME.search(prompt):
        a, b = int(found[1]), int(found[2])
        language = re.search(r"(?:block of|task below in) ([a-z]+)", prompt)
        tag = language[1] if language else "python"
        return f"```{tag}\n{PROGRAMS.get(tag, PROGRAMS['other']).format(a=a, b=b)}\n```"
    name, family, a, b = _function(prompt)
    body = FAMILIES[family][1].format(a=a, b=b)
    return f'```python\ndef {name}(xs: list[int]):\n    """Work on xs."""\n{body}```'


def _context(prompt: str, draw: random.Random) -> str:
    return "## Context\n\n" + " ".join(prompt.split()[-60:])


def _marks(prompt: str, draw: random.Random) -> str:
    names = re.findall(r"^- (\w+):", prompt, re.MULTILINE) or ["educational"]
    marks: dict[str, Any] = {"reason": "As seen.", **{name: draw.randrange(6) for name in names}}
    return json.dumps(marks)


def _other(prompt: str, draw: random.Random) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(30))


def _function(prompt: str) -> tuple[str, str, int, int]:
    found = _NAME.search(prompt)
    if found is None:
        return "lost_scaled_sum_1_1", "scaled_sum", 1, 1
    return found[0], found[2], int(found[3]), int(found[4])


def _machine(prompt: str) -> tuple[int, int]:
    found = _IO_NAME.search(prompt)
    return (int(found[1]), int(found[2])) if found else (1, 1)


def _expected(family: str, a: int, b: int, xs: list[int]) -> object:
    space: dict[str, Any] = {}
    exec(f"def f(xs):\n{FAMILIES[family][1].format(a=a, b=b)}", space)
    return space["f"](xs)


PROGRAMS = {
    "python": "xs = [int(x) for x in input().split()]\nprint({a} * sum(xs) + {b})",
    "bash": "read -r line\nsum=0\nfor x in $line; do sum=$((sum + x)); done\necho $(({a} * sum + {b}))",
    "c": "#include <stdio.h>\nint main(void) {{\n  long x, sum = 0;\n"
    '  while (scanf("%ld", &x) == 1) sum += x;\n'
    '  printf("%ld\\n", {a} * sum + {b});\n}}',
    "cpp": "#include <iostream>\nint main() {{\n  long x, sum = 0;\n  while (std::cin >> x) sum += x;\n"
    "  std::cout << {a} * sum + {b} << '\\n';\n}}",
    "javascript": "const text = require('fs').readFileSync(0, 'utf8');\n"
    "const xs = text.split(/\\s+/).filter(Boolean).map(Number);\n"
    "console.log({a} * xs.reduce((s, x) => s + x, 0) + {b});",
    "other": "read numbers; write {a} * sum + {b}",
}

KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "task": _task, "tests": _tests, "solution": _solution, "refine": _refine, "context": _context,
    "marks": _marks, "other": _other,
}  # fmt: skip

FAULTS = {
    "empty": "",
    "blank": " \n ",
    "cut_off": "## Task\n\nWrite a func",
    "no_heading": "Certainly, here it is.",
    "chinese": "## Task\n\n写一个函数，返回列表中所有偶数的和，并且忽略负数以及重复出现的元素。",
    "javascript": "## Solution\n\n```javascript\nfunction f(xs) { return xs.length; }\n```",
    "broken_code": "## Solution\n\n```python\ndef f(xs:\n    return 1\n```",
    "broken_json": '## Tests\n\n```json\n[{"input": "1", "output": \n```\n',
    "weak_tests": "## Tests\n\n```python\nassert True\n```",
    "no_tests": "## Tests\n\n```python\nx = 1\n```",
    "wrong": "## Solution\n\n```python\ndef f(xs):\n    return 'wrong'\n```",
    # The package of tests/synth/packages/conftest.py, by the name of its first version and of its second.
    "old_name": "## Solution\n\n```python\nimport shapekit\n\n{code}\n\nshapekit.area_of(2, 3)\n```",
    "new_name": "## Solution\n\n```python\nimport shapekit\n\n{code}\n\nshapekit.rectangle_area(2, 3)\n```",
    "refusal": "I'm sorry, but I can't help with that request.",
    "huge": "## Task\n\n" + "word " * 220_000,
}
"""Answers of a teacher who fails."""
