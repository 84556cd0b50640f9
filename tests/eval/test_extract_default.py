"""The cases in which other rules turn a right answer into a wrong verdict, run for their outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from eval.extract import extract
from eval.extract.markdown import fenced_blocks
from eval.extract.program import Program


def call(solution: str, *arguments: Any) -> Any:
    """Run ``f`` of a program; settings of the interpreter are put back."""
    scope: dict[str, Any] = {"__name__": "solution"}
    digits = sys.get_int_max_str_digits()
    try:
        exec(solution, scope)
        return scope["f"](*arguments)
    finally:
        sys.set_int_max_str_digits(digits)


def fenced(code: str, fence: str = "```", info: str = "python") -> str:
    return f"Here it is, isn't it?\n\n{fence}{info}\n{code}\n{fence}\n\nIt's O(n)."


RIGHT = "def f(n):\n    return n + 1"
# Each gives f(1) == 2.
KEPT = {
    "lru_cache": "from functools import lru_cache\n\n@lru_cache(maxsize=None)\ndef f(n):\n    return n + 1",
    "generator helper": "def g(n):\n    yield n\n\ndef f(n):\n    return next(g(n)) + 1",
    "procedure helper": (
        "def add(box):\n    box[0] += 1\n\ndef f(n):\n    box = [n]\n    add(box)\n    return box[0]"
    ),
    "guarded import": (
        "try:\n    import no_such_module as m\nexcept ImportError:\n    import math as m\n\n"
        "def f(n):\n    return m.floor(n) + 1"
    ),
    "tuple assignment": "a, b = 1, 2\n\ndef f(n):\n    return n + b - a",
    "attribute assignment": (
        "class Box:\n    pass\n\nbox = Box()\nbox.one = 1\n\ndef f(n):\n    return n + box.one"
    ),
    "loop that fills a table": (
        "table = []\nfor i in range(5):\n    table.append(i)\n\ndef f(n):\n    return table[n] + 1"
    ),
    "call that fills a table": (
        "def fill(t):\n    t.append(1)\n\nones = []\nfill(ones)\n\ndef f(n):\n    return n + ones[0]"
    ),
    "augmented assignment": "one = 0\none += 1\n\ndef f(n):\n    return n + one",
    "conditional function": "import sys\nif sys.version_info > (3,):\n    def f(n):\n        return n + 1",
    "second definition wins": "def f(n):\n    return 0\n\ndef f(n):\n    return n + 1",
    "wrapped later": "def f(n):\n    return n\n\ndef up(g):\n    return lambda n: g(n) + 1\n\nf = up(f)",
    "lambda": "f = lambda n: n + 1",
    "global state": "count = 1\n\ndef f(n):\n    global count\n    count += 1\n    return n + count - 1",
    "registered": (
        "known = []\n\ndef keep(g):\n    known.append(g)\n    return g\n\n@keep\ndef one():\n    return 1\n\n"
        "def f(n):\n    return n + known[0]()"
    ),
    "precomputed by a call": (
        "ones = []\n\ndef fill():\n    grow(1)\n\ndef grow(x):\n    ones.append(x)\n\nfill()\n\n"
        "def f(n):\n    return n + ones[0]"
    ),
    "precomputed with global": (
        "one = 0\n\ndef setup():\n    global one\n    one = 1\n\nsetup()\n\ndef f(n):\n    return n + one"
    ),
    "failing demonstration of a memo": (
        "memo = {}\n\ndef f(n):\n    memo[n] = n + 1\n    return memo[n]\n\nprint(f('x'))"
    ),
    "names found at run time": "ONE = 1\n\ndef f(n):\n    return n + eval('ONE')",
    "demonstration of run-time names": (
        "ONE = 1\n\ndef f(n):\n    return n + eval('ONE')\n\nr = f(no_such_name)\nassert f(1) == 3"
    ),
    "tabs": "def f(n):\n\tif n:\n\t\treturn n + 1",
    "fence in a docstring": 'def f(n):\n    """Add.\n\n    ```\n    f(1)\n    ```\n    """\n    return n + 1',
    "after a wrong demonstration": RIGHT + "\n\nassert f(1) == 3\nprint(f(no_such_name))",
    "before input": RIGHT + "\n\nn = int(input())\nprint(f(n))",
    "before a guard": RIGHT + "\n\nif __name__ == '__main__':\n    raise SystemExit(f(1))",
    "beside a broken helper": "@no_such_decorator\ndef unused():\n    pass\n\n" + RIGHT,
    "setting of the interpreter": (
        "import sys\nsys.set_int_max_str_digits(5000)\n\n"
        "def f(n):\n    return sys.get_int_max_str_digits() - 4998"
    ),
}


FRAMES: dict[str, Callable[[str], str]] = {
    "fenced": fenced,
    "bare": lambda code: code + "\n",
    "begun inside": lambda code: code + "\n```\nThat's all.",
}
FRAMED = {
    f"{name}, {frame}": make(code)
    for frame, make in FRAMES.items()
    for name, code in KEPT.items()
    # A closing fence cannot be told from a fence in a docstring where the opening one is missing.
    if frame != "begun inside" or "```" not in code
}


@pytest.mark.parametrize("text", FRAMED.values(), ids=FRAMED)
def test_what_the_function_needs_is_kept(text: str) -> None:
    assert call(extract("default", text, entry_point="f").solution, 1) == 2


TEXTS = {
    "tilde fence": fenced(RIGHT, "~~~", "py"),
    "long fence": fenced(RIGHT, "`````"),
    "no language": fenced(RIGHT, info=""),
    "capital language": fenced(RIGHT, info="Python"),
    "indented fence": "1. Do this:\n\n   ```python\n   def f(n):\n       return n + 1\n   ```\n",
    "fence behind a bullet": "- ```python\n  def f(n):\n      return n + 1\n  ```\n",
    "unclosed fence": "Sure:\n```python\n" + RIGHT + "\n",
    "block in a block": "````markdown\n" + fenced(RIGHT) + "\n````",
    "carriage returns": fenced(RIGHT).replace("\n", "\r\n"),
    "draft first": fenced("def f(n):\n    return 0") + "\nWait, that is wrong.\n" + fenced(RIGHT),
    "stub last": fenced(RIGHT) + fenced('def f(n):\n    """Add one."""\n    ...'),
    "use last": fenced(RIGHT) + "\nUse it:\n" + fenced("print(f(1))"),
    "other language last": fenced(RIGHT) + fenced("def f(n): 0", info="ruby"),
    "helper in another block": fenced("import math\nONE = 1\ndef g(n):\n    return n + ONE")
    + fenced("def f(n):\n    return g(n)"),
    "cut off in a second function": "```python\n" + RIGHT + "\n\ndef main():\n    print(f(",
    "no fence": "Here you go:\n\n" + RIGHT + "\n\nThis isn't hard.",
    "thought first": "<think>\n" + fenced("def f(n):\n    return 0") + "</think>\n" + fenced(RIGHT),
    "thought with the last word": "<think>\nhm</think>\n" + RIGHT,
    "indented answer": "    def f(n):\n        return n + 1\n".join(["```\n", "```\n"]),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_program_is_found(text: str) -> None:
    assert call(extract("default", text, entry_point="f").solution, 1) == 2


def test_the_prompt_provides_what_an_answer_leaves_out() -> None:
    prompt = (
        "from typing import List\n\ndef one() -> int:\n    return 1\n\n"
        "def f(n: List[int]) -> int:\n    '''Add.'''\n"
    )
    text = fenced("def f(n: List[int]) -> int:\n    return n[0] + one()")
    result = extract("default", text, entry_point="f", prompt=prompt)
    assert call(result.solution, [1]) == 2
    assert result.notes == ("added from elsewhere: List, one",)


@pytest.mark.parametrize(
    "body", ["    return n + 1\n", "return n + 1", fenced("return n + 1"), fenced("    return n + 1")]
)
def test_a_body_alone_is_put_into_the_function(body: str) -> None:
    result = extract("default", body, entry_point="f", prompt='def f(n):\n    """Add one."""\n')
    assert call(result.solution, 1) == 2
    assert result.notes == ("taken as the body of the function",)


COMPLETIONS = {
    "plain": "    return n + 1\n",
    "run on": "    return n + 1\n\nprint(f(2))\nassert f(1) == 7\n",
    "run on into prose": "    return n + 1\n\nThat's it, isn't it?\n",
    "cut off": "    return n + 1\n\ndef g():\n    return (",
    "closed fence": "    return n + 1\n```\nDone.",
    "whole answer": fenced(RIGHT),
    "whole function": "\n" + RIGHT + "\n",
}


@pytest.mark.parametrize("text", COMPLETIONS.values(), ids=COMPLETIONS)
def test_a_completion_goes_on_with_the_prompt(text: str) -> None:
    prompt = 'def f(n):\n    """Add one."""\n'
    assert call(extract("default", text, entry_point="f", prompt=prompt, form="completion").solution, 1) == 2


def test_a_completion_inside_a_fence_is_cut_at_its_end() -> None:
    text = RIGHT + "\n```\n\nNow the next task:\n```python\ndef f(n):\n    return 0\n"
    result = extract("default", text, entry_point="f", form="completion")
    assert result.solution == RIGHT


@pytest.mark.parametrize(
    ("text", "part", "note"),
    [
        ("I'm sorry, I can't help.", "", "no code found"),
        ("", "", "no code found"),
        (
            fenced("class S:\n    def f(self, n):\n        return n"),
            "class S:",
            "does not define the function asked for",
        ),
        (fenced("def f(n)\n    return n"), "def f(n)\n    return n", "does not parse"),
        (fenced("print(1)"), "print(1)", "does not define the function asked for"),
    ],
)
def test_what_cannot_be_saved_is_shown_as_it_is(text: str, part: str, note: str) -> None:
    result = extract("default", text, entry_point="f")
    assert part in result.solution
    assert bool(result.solution) == bool(part)
    assert note in result.notes


def test_a_truncated_answer_is_cut_and_says_so() -> None:
    text = "```python\ndef f(n):\n    if n:\n        return n + 1\n    total = sum(["
    result = extract("default", text, entry_point="f")
    assert call(result.solution, 1) == 2
    assert "cut to the lines that parse" in result.notes


def test_without_a_name_the_largest_block_counts() -> None:
    text = fenced("import os\nx = 1\ny = 2") + fenced("print(x)")
    assert extract("default", text, entry_point="").solution == "import os\nx = 1\ny = 2"


def test_dropped_statements_are_counted() -> None:
    result = extract("default", fenced(RIGHT + "\n\nprint(f(1))\nassert f(1)"), entry_point="f")
    assert result.solution.strip() == RIGHT
    assert result.notes == ("dropped 2 top-level statements that the function does not need",)


def test_statements_on_one_line_stay_together() -> None:
    program = Program.parse("x = 1; print(x)\ndef f():\n    return x\n")
    assert program is not None
    assert program.reduced_to("f") == (program.text, 0)


def test_missing_names() -> None:
    program = Program.parse("import os\ndef f(a):\n    b = a\n    return g(b) + os.x + len(a) + K\n")
    assert program is not None
    assert program.missing == {"g", "K"}


def test_blocks() -> None:
    blocks = fenced_blocks("a\n```python title=x\nx = 1\n```\n~~~\n```\n~~~\n```{.py}\ny = 2")
    assert [(block.text, block.language, block.closed) for block in blocks] == [
        ("x = 1", "python", True),
        ("```", "", True),
        ("y = 2", "py", False),
    ]
