"""Whole functions and classes of code: real files of the standard library, and every odd shape of one."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from synth.split.code import split_code
from synth.split.grammars import GRAMMARS, parser_of
from synth.split.python import parse_python
from synth.split.suffixes import opens_as
from synth.split.unit import Split

STDLIB = Path(sysconfig.get_path("stdlib"))
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def split(text: str, *, min_chars: int = 0, max_chars: int = 10**9) -> Split:
    return split_code(text, "python", min_chars=min_chars, max_chars=max_chars)


def programs(step: int) -> list[tuple[Path, str]]:
    found = []
    for path in sorted(path for path in STDLIB.rglob("*.py") if "site-packages" not in path.parts)[::step]:
        try:
            found.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_units_of_the_standard_library_are_whole() -> None:
    files = programs(7)
    assert len(files) > 200
    for path, text in files:
        tree = parse_python(text)
        found = split(text)
        if tree is None:
            assert found.reason == "does_not_parse", path
            continue
        defined = [node for node in tree.body if isinstance(node, DEFINITIONS)]
        # Overloads and setters are one unit with what they belong to, so names are what is compared.
        assert {node.name for node in defined} == {unit.name for unit in found.units}, path
        at = 0
        for unit in found.units:
            assert unit.start >= at, path
            at = unit.start + len(unit.text)
            assert text[unit.start : at] == unit.text, path
            assert parse_python(unit.source) is not None, path
        lines = {line.strip() for unit in found.units for line in unit.text.split("\n")}
        given = text.split("\n")
        assert lines >= {given[one.lineno - 1].strip() for node in defined for one in node.decorator_list}


def test_methods_of_long_classes_parse_with_the_head_of_their_class() -> None:
    methods = 0
    for path, text in programs(20):
        for unit in split(text, max_chars=1500).units:
            assert text[unit.start : unit.start + len(unit.text)] == unit.text, path
            assert len(unit.text) <= 1500
            tree = parse_python(unit.source)
            assert tree is not None, (path, unit.name)
            if "." in unit.name:
                methods += 1
                assert isinstance(tree.body[-1], ast.ClassDef), (path, unit.name)
                assert tree.body[-1].name == unit.name.partition(".")[0]
    assert methods > 300


MODULE = '''\
#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""A module."""
from __future__ import annotations

import os, sys
from typing import overload, Any
try:
    import fast as json
except ImportError:
    import json

LIMIT: int = 3  # how many
WIDE = LIMIT * 2
TABLE = {"é": "ü"}


# Says é
# twice.
@staticmethod
def first(path: str) -> str:
    def inner() -> int:
        return WIDE

    return os.path.join(path, "é" * inner())  # joins


async def second():
\treturn json.dumps(TABLE)


@overload
def third(a: int) -> int: ...
@overload
def third(a: str) -> str: ...
def third(a: Any) -> Any:
    return a


class Point(Base[WIDE]):
    """A point."""

    x = 1

    @property
    def y(self):
        return sys.maxsize

    @y.setter
    def y(self, value):
        pass


if __name__ == "__main__":
    second()
'''


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_module_of_every_shape(mark: str, line_end: str) -> None:
    text = mark + MODULE.replace("\n", line_end)
    units = {unit.name: unit for unit in split(text).units}
    assert list(units) == ["first", "second", "third", "Point"]
    for unit in units.values():
        assert text[unit.start : unit.start + len(unit.text)] == unit.text
        assert parse_python(unit.source) is not None
    plain = {name: unit.text.replace(line_end, "\n") for name, unit in units.items()}
    assert plain["first"].startswith("# Says é\n# twice.\n@staticmethod\n")
    assert plain["first"].endswith("inner())  # joins")
    assert plain["third"].count("def third") == 3
    context = {name: unit.context.replace(line_end, "\n").splitlines() for name, unit in units.items()}
    assert context["first"] == [
        "from __future__ import annotations", "import os", "LIMIT: int = 3  # how many", "WIDE = LIMIT * 2",
    ]  # fmt: skip
    assert context["second"][1:] == [
        "try:", "    import fast as json", "except ImportError:", "    import json", 'TABLE = {"é": "ü"}',
    ]  # fmt: skip
    assert context["third"][1:] == ["from typing import overload, Any"]


def test_a_long_class_gives_its_methods() -> None:
    found = split(MODULE, max_chars=150)
    point = [unit for unit in found.units if unit.name.startswith("Point.")]
    assert [unit.name for unit in point] == ["Point.y"]
    assert point[0].text.count("def y") == 2
    assert point[0].context.splitlines()[-1] == "class Point(Base[WIDE]):"
    assert "WIDE = LIMIT * 2" in point[0].context
    assert found.dropped == {"too_long": 1}  # first


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_unit"),
        ("\n \n", "no_unit"),
        ("x = 1\n", "no_unit"),
        ("def f(:\n", "does_not_parse"),
        ("print 'x'\n", "does_not_parse"),
        ("x = '\0'\ndef f(): pass\n", "does_not_parse"),
        ("def f():\n    return '\ud800'\n", "does_not_parse"),
        ("x = " + "(" * 300 + ")" * 300, "does_not_parse"),
        ("x = " + "-" * 50_000 + "1\ndef f(): pass", "does_not_parse"),
        ("x = " + "1 + " * 50_000 + "1\ndef f(): pass", "does_not_parse"),
        ("def f(): pass\n", "too_short"),
        (f"def f():\n    return '{'x' * 5000}'\n", "too_long"),
    ],
)
def test_no_unit_has_a_reason(text: str, reason: str) -> None:
    found = split_code(text, "python", min_chars=20, max_chars=1000)
    assert (found.units, found.reason) == ([], reason)


def test_large_files_and_odd_escapes() -> None:
    one = "def f{}(a):\n    # {}\n    return '\\d' + a\n\n\n"
    text = "".join(one.format(number, "as it is written " * 4) for number in range(12_000))
    assert len(text) > 1 << 20
    found = split(text)
    assert len(found.units) == 12_000
    assert split("def f(): return 1 \\\n\n").units[0].text == "def f(): return 1"


def test_length_may_be_tokens() -> None:
    text = "def f(a):\n    return a\n\n\ndef g(a, b, c, d, e):\n    return a + b + c + d + e\n"
    found = split_code(text, "python", min_chars=1, max_chars=6, length=lambda part: len(part.split()))
    assert [unit.name for unit in found.units] == ["f"]


JAVASCRIPT = """\
import fs from 'fs';
const path = require('path');
const LIMIT = 5;

// Adds é.
// Twice.
export function add(a, b) { return a + b + LIMIT; }
const joined = (a) => { return path.join(a); };
export default class Store extends Base {
  /** Reads. */
  read(name) { return fs.readFileSync(name); }
  async write() { await 1; }
}
Thing.prototype.go = function (x) { return x; };
function broken( { return }
"""


def test_javascript_by_its_grammar() -> None:
    found = split_code(JAVASCRIPT, "javascript", min_chars=0, max_chars=120)
    units = {unit.name: unit for unit in found.units}
    assert list(units)[:2] == ["add", "joined"]
    assert units["add"].text.startswith("// Adds é.\n// Twice.\nexport function add")
    assert units["add"].context == "const LIMIT = 5;"
    assert units["Store.read"].text == "  /** Reads. */\n  read(name) { return fs.readFileSync(name); }"
    assert units["Store.read"].context == "import fs from 'fs';\nexport default class Store extends Base {"
    assert "broken" not in units
    for unit in units.values():
        assert JAVASCRIPT[unit.start : unit.start + len(unit.text)] == unit.text
    assert split_code("(" * 6000, "javascript").reason == "does_not_parse"
    assert split_code("function f( { return", "javascript").reason == "does_not_parse"


SAMPLES = {
    "typescript": (
        "namespace N { export function f(): number { return 1 } }\ninterface P { x: number }\n",
        ["N.f", "P"],
    ),
    "java": (
        "import java.util.List;\n/** Doc. */\npublic class Foo { List<T> get() { return null; } }\n",
        ["Foo"],
    ),
    "c": ("#include <stdio.h>\nstatic int *f(int a) {\n  return 0;\n}\nstruct s { int a; };\n", ["f", "s"]),
    "cpp": ("namespace a {\ntemplate <typename T>\nclass Foo { int get() { return 1; } };\n}\n", ["a.Foo"]),
    "csharp": ("using System;\nnamespace A { class Foo { int Get() { return 1; } } }\n", ["A.Foo"]),
    "go": (
        "package main\n\n// Add adds.\nfunc Add(a, b int) int { return a + b }\n\ntype T struct{}\n",
        ["Add", "T"],
    ),
    "rust": (
        "use std::fmt;\n#[derive(Debug)]\nstruct P { x: i32 }\nmod m { fn f() -> i32 { 1 } }\n",
        ["P", "m.f"],
    ),
    "ruby": ("require 'json'\nmodule M\n  class A\n    def get\n      1\n    end\n  end\nend\n", ["M.A"]),
    "php": (
        "<?php\nuse X\\Y;\nfunction f($a) { return $a; }\nclass C extends Y { function g() {} }\n",
        ["f", "C"],
    ),
}


@pytest.mark.parametrize("language", SAMPLES)
def test_other_grammars(language: str) -> None:
    if parser_of(language) is None:
        pytest.skip(f"{GRAMMARS[language].package} is not installed")
    text, names = SAMPLES[language]
    found = split_code(text, language, min_chars=0)
    assert [unit.name for unit in found.units] == names
    for unit in found.units:
        assert text[unit.start : unit.start + len(unit.text)] == unit.text


def test_languages_without_a_grammar_are_cut_at_separators() -> None:
    from langchain_text_splitters import Language

    text = "".join(f"function f{n}(a) {{\n    return a + {n};\n}}\n\nclass C{n} {{ }}\n\n" for n in range(60))
    names = {*(one.value for one in Language), "perl", "shell", "julia", "sql", "none of them"}
    for language in sorted(names - {"python", *GRAMMARS}):
        found = split_code(text, language, min_chars=10, max_chars=300)
        assert len(found.units) >= 5, language
        for unit in found.units:
            assert unit.kind == "chunk"
            assert text[unit.start : unit.start + len(unit.text)] == unit.text
            assert len(unit.text) <= 300


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.PY", "python"),
        ("x.tsx", "typescript"),
        ("x.h", "c"),
        ("README.md", "markdown"),
        ("Makefile", ""),
    ],
)
def test_languages_by_ending(path: str, language: str) -> None:
    assert opens_as(path) == language
