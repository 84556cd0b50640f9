import hashlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from eval.extract import RULES, cut_at_stop, extract
from eval.extract.evalplus import sanitize
from eval.registry import find_benchmark
from opencoder.errors import UserError

# What evalplus 0.3.1 makes of these texts for the entry point ``f`` (measured).
EVALPLUS = {
    "decorated": (
        "from functools import lru_cache\n@lru_cache\ndef f(n):\n    return n\n",
        "from functools import lru_cache",
    ),
    "generator": (
        "def g(n):\n    yield n\ndef f(n):\n    return list(g(n))\n",
        "def f(n):\n    return list(g(n))",
    ),
    "guarded import": (
        "try:\n    import numpy as np\nexcept ImportError:\n    np = None\ndef f(n):\n    return np\n",
        "def f(n):\n    return np",
    ),
    "tuple assignment": ("a, b = 1, 2\ndef f(n):\n    return a + b\n", "def f(n):\n    return a + b"),
    "second definition": (
        "def f(n):\n    return 1\ndef f(n):\n    return 2\n",
        "def f(n):\n    return 1",
    ),
    "attribute named like its value": (
        "class C:\n    pass\nc = C()\nc.x = f\ndef f(n):\n    return c.x\n",
        "class C:\n    pass\nc = C()\nc.x = f",
    ),
    "comments": (
        "def f(n):\n    return 1  # one\n    # inside\n  # outside\n# far\nx = 5\n",
        "def f(n):\n    return 1  # one\n    # inside",
    ),
    "tabs": ("def f(n):\n\treturn n\n\t# kept\n    # gone\n", "def f(n):\n\treturn n\n\t# kept"),
    "semicolons": (
        "def f(n): return n;  # same line\nx = 1; f(2)\n",
        "def f(n): return n;  # same line",
    ),
    "prose": ("I cannot do that.\nIt's too hard.\n", "I cannot do that."),
    "future import": (
        "from __future__ import annotations\nimport os\ndef f(n):\n    return n\n",
        "import os\ndef f(n):\n    return n",
    ),
    "chat": (
        "Sure:\n```python\nimport math\ndef h(x):\n    return x\n"
        "def f(n):\n    return h(n)\nprint(f(1))\n```\nIt's done.",
        "import math\ndef h(x):\n    return x\ndef f(n):\n    return h(n)",
    ),
    "unicode": ("# é\ndef f(n):\n    return 'ü' * n  # ß\n", "def f(n):\n    return 'ü' * n  # ß"),
    "async": (
        "async def f(n):\n    return n\nclass K(B):\n    z: int = 1\n",
        "async def f(n):\n    return n",
    ),
    "nothing reached": ("def other():\n    return f\n", "def other():\n    return f\n"),
}


@pytest.mark.parametrize(("text", "expected"), EVALPLUS.values(), ids=EVALPLUS)
def test_evalplus_rule_reproduces_its_original(text: str, expected: str) -> None:
    assert extract("evalplus", text, entry_point="f").solution.strip() == expected.strip()


CHATTY = (
    "Here is the answer, isn't it?\n\n```python\n{}\n```\n\nIt works because:\n1. it sorts\n2. it's fast\n"
)


@pytest.mark.parametrize(
    ("file", "benchmark", "frame", "digest"),
    [
        (
            "humanevalplus-verdicts.jsonl.gz",
            "humaneval+",
            "{}",
            "5c7209a6d2ef9c3e9551da14aab46dd36aadefa01677c2ad375e7e1600601242",
        ),
        (
            "humanevalplus-verdicts.jsonl.gz",
            "humaneval+",
            CHATTY,
            "4b8293ac6ef5a96bbc7598c8c6ee20372db4ad5e37a63ecf629f7b37660c346b",
        ),
        (
            "mbppplus-verdicts.jsonl.gz",
            "mbpp+",
            "{}",
            "e745ae4a1b6576c8d65e475283db6e7b3c0cf2771e93873be6fbbf480a10b740",
        ),
        (
            "mbppplus-verdicts.jsonl.gz",
            "mbpp+",
            CHATTY,
            "44eb9461074c83f1fe107f3fe44997062f45611688873aa35888c09b135773c4",
        ),
    ],
)
def test_evalplus_rule_on_hundreds_of_solutions(
    verdict_rows: Callable[[str], list[dict[str, Any]]], file: str, benchmark: str, frame: str, digest: str
) -> None:
    """The digests are those of what evalplus 0.3.1 gives for the same texts."""
    dataset = find_benchmark(benchmark).load()
    found = hashlib.sha256()
    for row in verdict_rows(file):
        text = frame.replace("{}", row["solution"])
        found.update(sanitize(text, dataset.task(row["task_id"]).entry_point).encode() + b"\0")
    assert found.hexdigest() == digest


def test_evalplus_rule_joins_a_completion_to_the_stripped_prompt() -> None:
    result = extract(
        "evalplus", "    return n\n", entry_point="f", prompt="\n\ndef f(n):\n\n\n", form="completion"
    )
    assert result.solution == "def f(n):\n    return n"


def test_only_the_main_branch_drops_terminal_escapes() -> None:
    text = "\x1b[32mdef f(n):\x1b[0m\n    return n\n"
    assert extract("evalplus-main", text, entry_point="f").solution == "def f(n):\n    return n"
    assert "\x1b" in extract("evalplus", text, entry_point="f").solution


OPENCODEEVAL = {
    "decorated stays": ("@cache\ndef f(n):\n    return n  # c\n", "f", "@cache\ndef f(n):\n    return n"),
    "last definition, first place": (
        "def f(n):\n    return g(n)\ndef g(n):\n    return 1\ndef f(n):\n    return g(2)\n",
        "f",
        "def f(n):\n    return g(2)\ndef g(n):\n    return 1",
    ),
    "attribute hides its base": (
        "K = 1\ndef f(n):\n    return K.bit_length()\n",
        "f",
        "def f(n):\n    return K.bit_length()",
    ),
    "no name asked for": ("K: int = 1\nL = 2\ndef f(n):\n\treturn n\n", "", "L = 2\ndef f(n):\n    return n"),
    "async goes": ("import os\nasync def f(n):\n    return n\n", "f", "import os"),
    "one line is enough": ("a b c\nx = 1", "", "x = 1"),
    "nothing parses": ("a b c", "f", ""),
    "first hundred lines": ("\n".join(["# c"] * 100 + ["def f(n):", "    return n"]), "f", ""),
}


@pytest.mark.parametrize(("text", "name", "expected"), OPENCODEEVAL.values(), ids=OPENCODEEVAL)
def test_opencodeeval_rule(text: str, name: str, expected: str) -> None:
    assert extract("opencodeeval", text, entry_point=name).solution == expected


def test_opencodeeval_rule_puts_the_prompt_first() -> None:
    result = extract("opencodeeval", "    return n", entry_point="f", prompt="def f(n):\n", form="completion")
    assert result.solution == "def f(n):\n    return n"


FENCE = {
    "first marked block": ("```\nout\n```\n```python\na = 1\n```\n```python\nb = 2\n```", "a = 1"),
    "first block": ("x\n```\na = 1\n```\n```\nb = 2\n```", "a = 1"),
    "no block": ("a = 1\n", "a = 1\n"),
    "begun inside": ("def f():\n    return 1\n```\nThat is it.", "def f():\n    return 1"),
    "unclosed": ("Sure:\n```py\na = 1", "a = 1"),
}


@pytest.mark.parametrize(("text", "expected"), FENCE.values(), ids=FENCE)
def test_fence_rule(text: str, expected: str) -> None:
    assert extract("fence", text, entry_point="f").solution == expected


def test_fence_rule_cuts_a_completion() -> None:
    result = extract(
        "fence", "    return 1\n```\nok", entry_point="f", prompt="def f():\n", form="completion"
    )
    assert result.solution == "def f():\n    return 1"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "text", ["", "\n", "\0", "\ud800", "```", "(" * 500, "def f(:", "x\r\ry", "\\", "'''", "a." * 9000 + "b"]
)
def test_no_text_breaks_a_rule(rule: str, text: str) -> None:
    for form in ("raw", "completion"):
        result = extract(rule, text, entry_point="f", prompt="def f():\n", form=form)
        assert isinstance(result.solution, str)
        assert result.rule == rule


@pytest.mark.parametrize("rule", RULES)
def test_a_whole_program_is_left_alone(rule: str) -> None:
    result = extract(rule, "print('```')\n", entry_point="f", form="solution")
    assert (result.solution, result.rule) == ("print('```')\n", "given")


def test_no_rule_joins_and_nothing_else() -> None:
    assert extract("none", "  x ", entry_point="f").solution == "  x "
    assert extract("none", "  x ", entry_point="f", prompt="p\n", form="completion").solution == "p\n  x "


def test_unknown_rules_get_a_hint() -> None:
    with pytest.raises(UserError, match="did you mean 'evalplus'"):
        extract("evalpls", "", entry_point="f")
    with pytest.raises(UserError, match="choose from default"):
        extract("zzz", "", entry_point="f")


def test_cut_at_the_first_stop() -> None:
    assert cut_at_stop("a\nb\nc", ["\nc", "\nb"]) == "a"
    assert cut_at_stop("abc", ["x"]) == "abc"


def test_rules_import_no_parser_package() -> None:
    # In a process of its own: other tests of this one import the package.
    rules = "import sys, eval.extract; sys.exit('tree_sitter' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", rules], check=False).returncode == 0
