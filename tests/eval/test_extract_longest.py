import ast
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.extract import longest
from eval.extract.longest import longest_program

LINES = [
    *("", "   ", "x = 1", "def f(x):", "    return x", "    if x:", "        return 1", "    else:", "else:"),
    *("if a:", "try:", "    pass", "except E:", "finally:", "    try:", "        pass", '"""', "    '''doc"),
    *('    """', "it's prose", "Here is code:", "```python", "```", "y = (1,", "  2)", "]", "z = [", "@dec"),
    *("class A:", "    def g(self):", "  odd", "\tx", "        \treturn 3", "x = 1 \\", "\\", "  \\", "# c"),
    *(
        "    # c",
        "match x:",
        "    case 1:",
        "while 1: pass",
        "elif b:",
        "print 'x'",
        'f"""{x',
        '}"""',
        "x = 08",
    ),
    *("a = 1; b = 2", "async def q():", "    await z", "with a as b:", "def h(a, b=1, c): pass", "if x: y"),
    *("else: z", "* item", "1. item", "    f(a=1, 2)", "é = 2", "\xa0", "x\r", "    y = 1\r", "\x0cx = 2"),
]
PIECES = [
    ["def f(x):", "    return x"],
    ["if a:", "    pass", "else:", "    pass"],
    ["try:", "    pass", "except E:", "    pass", "finally:", "    pass"],
    ['"""', "some doc", "x = 1", '"""'],
    ["@dec", "", "# c", "def g(): return 5"],
    ["class A:", "    def g(self):", "        '''d", "x", "  '''", "        return 1", "", "    # c"],
    ["x = (", "1,", "", "2", ")"],
]
TEXTS = st.lists(
    st.one_of(st.sampled_from(LINES).map(lambda line: [line]), st.sampled_from(PIECES)),
    min_size=1,
    max_size=10,
).map(lambda groups: [line for group in groups for line in group])


def every_pair(lines: Sequence[str], min_lines: int) -> tuple[int, int] | None:
    """What EvalPlus does: parse what lies between every two lines."""
    best, most = None, 0
    for first in range(len(lines)):
        for last in range(first + min_lines - 1, len(lines)):
            count = sum(bool(line.strip()) for line in lines[first : last + 1])
            if count > most and parses("\n".join(lines[first : last + 1])):
                best, most = (first, last), count
    return best


def parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except SyntaxError:
            return False
    return True


@pytest.mark.parametrize("min_lines", [1, 2])
@settings(max_examples=400, deadline=None)
@given(lines=TEXTS)
def test_finds_what_parsing_every_pair_of_lines_finds(lines: list[str], min_lines: int) -> None:
    assert longest_program(lines, min_lines=min_lines) == every_pair(lines, min_lines)


@pytest.mark.parametrize(
    ("text", "min_lines", "expected"),
    [
        ("x = 1", 1, (0, 0)),
        ("x = 1", 2, None),
        ("x = 1\n", 2, (0, 1)),
        ("\n\nx = 1", 2, (0, 2)),
        ("a b\nc d", 1, None),
        ("\n\n", 1, None),
        ("a = 1\nb c\nd = 2", 1, (0, 0)),
        ("if a:\n    b\n\nelse:\n    c\nd e", 1, (0, 4)),
        ("def f():\n    a\n    b c\n    d", 1, (0, 1)),
        ("try:\n    a\n    b\nx = 1", 1, (3, 3)),
        ("\0\nx = 1", 1, (1, 1)),
    ],
)
def test_small_texts(text: str, min_lines: int, expected: tuple[int, int] | None) -> None:
    assert longest_program(text.split("\n"), min_lines=min_lines) == expected


def test_parses_little_more_than_the_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = 0
    real = longest._error_line

    def count(source: str) -> int | None:
        nonlocal parsed
        parsed += source.count("\n")
        return real(source)

    function = ["def f{n}(x):", "    it = [", "        x,", "    ]", "    # it's fine", "    return it", ""]
    prose = [
        "It's simple (see below).",
        "1. First we sort",
        "- the list isn't copied",
        "for example:",
        "    if a b",
    ]
    lines = [line.format(n=n) for n in range(100) for line in [*prose, *function, *function]]
    monkeypatch.setattr(longest, "_error_line", count)
    assert longest_program(lines, min_lines=2) == (5, 17)
    assert parsed < 3 * len(lines)


def test_a_program_is_taken_whole() -> None:
    text = Path(longest.__file__).read_text(encoding="utf-8")
    lines = text.split("\n")
    assert longest_program(lines, min_lines=2) == (0, len(lines) - 2)
