from __future__ import annotations

import importlib.util
import json
import re
import time
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.languages import UNKNOWN, Detected, detect, load_table
from corpus.languages.fallback import FALLBACK, INTERPRETER_FALLBACK
from corpus.languages.heuristics import HEAD_CHARS, readable
from corpus.languages.table import FACTS, read_table
from opencoder.errors import DataError, UserError

ROOT = Path(__file__).resolve().parents[2]

OBJECTIVE_C = '#import "Thing.h"\n\n@implementation Thing\n- (void)go { [self stop]; }\n@end\n'
CONTENTS = [
    ("Thing.m", OBJECTIVE_C, "objective-c"),
    ("plot.m", "function y = square(x)\n% squares it\ny = x.^2;\nend\n", "matlab"),
    ("eval.m", ":- module hello.\n:- interface.\n", "mercury"),
    ("adder.v", "module adder(input a, input b, output s);\n  assign s = a ^ b;\nendmodule\n", "verilog"),
    ("plus.v", "Theorem plus_0 : forall n, n + 0 = n.\nProof.\n  induction n; auto.\nQed.\n", "rocq prover"),
    ("main.v", "module main\n\nfn main() {\n\tprintln('hi')\n}\n", "v"),
    ("list.h", "#ifndef LIST_H\n#define LIST_H\nstruct list { int n; };\n#endif\n", "c"),
    ("list.h", "#pragma once\n#include <vector>\nnamespace a {\nclass B {\npublic:\n};\n}\n", "cpp"),
    ("Thing.h", "#import <Foundation/Foundation.h>\n@interface Thing : NSObject\n@end\n", "objective-c"),
    ("run.pl", "use strict;\nuse warnings;\nmy $x = 1;\nprint $x;\n", "perl"),
    ("family.pl", ":- module(family, [parent/2]).\nparent(X, Y) :- child(Y, X).\n", "prolog"),
    ("app.ts", "export const a: number = 1;\nfunction b(): void {}\n", "typescript"),
    ("app_de.ts", '<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS version="2.1" language="de">\n</TS>\n', "xml"),
    ("thesis.cls", "\\NeedsTeXFormat{LaTeX2e}\n\\ProvidesClass{thesis}\n", "tex"),
    ("Form.cls", 'VERSION 1.0 CLASS\nBEGIN\n  MultiUse = -1\nEND\nAttribute VB_Name = "Form"\n', "vba"),
    ("Account.cls", "public with sharing class Account {\n    public static void go() {}\n}\n", "apex"),
    ("Token.sol", "pragma solidity ^0.8.0;\ncontract Token {}\n", "solidity"),
    ("board.sol", "%FSLAX24Y24*%\n%MOIN*%\nG04 mask*\nD10*\nM02*\n", "gerber image"),
    ("board.sol", "nothing that anyone knows\n", "unknown"),
    ("board.sol", "#!/bin/sh\nls\n", "shell"),
    ("player.gd", "extends Node2D\n\nfunc _ready():\n\tpass\n", "gdscript"),
    ("init.gd", 'DeclareOperation( "Size", [ IsObject ] );\nInstallMethod( Size );\n', "gap"),
    ("site.pp", "class apache {\n  package { 'httpd':\n    ensure => installed,\n  }\n}\n", "puppet"),
    ("unit.pp", "unit Foo;\ninterface\nimplementation\nbegin\nend.\n", "pascal"),
    ("basic.t", "use strict;\nuse Test::More;\nok(1);\n", "perl"),
    ("basic.t", "use v6;\nuse Test;\nplan 1;\n", "raku"),
    ("config.inc", "<?php\n$a = 1;\n", "php"),
    ("defs.inc", "unit Defs;\nprocedure A;\nbegin\nend;\n", "pascal"),
    ("table.inc", "1, 2, 3,\n", "cpp"),
    ("setup.py.in", "VERSION = '@VERSION@'\n", "python"),
    ("config.h.in", "#undef HAVE_X\n", "c"),
    ("what.in", "anything\n", "unknown"),
    ("solve.f", "      program solve\n      end\n", "fortran"),
    ("setup.cfg", "[metadata]\nname = a\n", "ini"),
    ("tool.spec", "Name: tool\nVersion: 1\n", "rpm spec"),
    ("View.cshtml", "@model X\n<p>@Model.Name</p>\n", "html+razor"),
    ("Cargo.lock", "[[package]]\n", "toml"),
    ("what.lock", "anything\n", "unknown"),
    ("ls.1", '.TH LS 1 "2020"\n.SH NAME\nls \\- list\n', "roff manpage"),
    (".eslintrc", '{"root": true}\n', "json with comments"),
    ("run.cgi", "#!/usr/bin/env python3\nprint(1)\n", "python"),
]
NAMES = {
    "a.PY": "python",
    "A.HTML": "html",
    "a.R": "r",
    "a.S": "unix assembly",
    "a.C": "cpp",
    "a.H": "cpp",
    "a.c": "c",
    "CMakeLists.txt": "cmake",
    "Dockerfile": "dockerfile",
    "Makefile": "makefile",
    "Makefile.in": "makefile",
    "src/lib/Makefile": "makefile",
    "src\\lib\\a.cs": "csharp",
    "a.b.c.d.py": "python",
    "page.blade.php": "blade",
    "page.html.erb": "html+erb",
    "page.html.eex": "html+eex",
    "page.eex": "html+eex",
    "a.outjob": "altium designer",
    ".gitignore": "ignore list",
    ".bashrc": "shell",
    "README.md": "markdown",
    "x.zzz": "unknown",
    "x.": "unknown",
    ".": "unknown",
    "": "unknown",
    ".in": "unknown",
    "a.py.in.dist": "python",
    ".in" * 5000: "unknown",
}
SHEBANGS = {
    "#!/bin/sh": "shell",
    "#!/usr/bin/env python": "python",
    "#! /usr/bin/env python3.11 -u": "python",
    "#!/usr/bin/env -S python3 -u": "python",
    "#!/usr/bin/env -Sruby2.7 -w": "ruby",
    "#!/usr/bin/env --split-string=perl -w": "perl",
    "#!/usr/bin/env -i -u HOME A=1 node": "javascript",
    "#!/usr/bin/env deno": "typescript",
    "#!/usr/local/bin/lua5.4": "lua",
    '#!/bin/sh\n# next line \\\nexec tclsh "$0" "$@"': "tcl",
    "\ufeff#!/bin/bash": "shell",
    "#!/bin/bash\r\nls\r\n": "shell",
    "#!": "unknown",
    "#!/usr/bin/env": "unknown",
    "#!/usr/bin/env -u": "unknown",
    "#!/opt/none/such": "unknown",
    "text": "unknown",
    '<?xml version="1.0"?>\n<a/>': "xml",
}


@pytest.mark.parametrize(("filename", "content", "language"), CONTENTS)
def test_content_tells_shared_extensions_apart(filename: str, content: str, language: str) -> None:
    assert detect(filename, content).language == language
    assert detect(filename, content.replace("\n", "\r\n").encode()).language == language


@pytest.mark.parametrize(("filename", "language"), NAMES.items())
def test_name_alone(filename: str, language: str) -> None:
    assert detect(filename).language == language


@pytest.mark.parametrize(("head", "language"), SHEBANGS.items())
@pytest.mark.parametrize("filename", ["script", "script.zzz"])
def test_first_line_where_the_name_says_nothing(filename: str, head: str, language: str) -> None:
    assert detect(filename, head).language == language


def test_document_types() -> None:
    found = {
        name: detect(name).doc_type
        for name in ("a.py", "a.css", "a.md", "a.tex", "a.sql", "a.csv", "a.gbr", "a")
    }
    assert list(found.values()) == ["code", "data", "text", "text", "code", "excluded", "excluded", "unknown"]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert detect("a.m", b"\xff\xfe\0@interface\0" * 9).language in load_table().languages
    assert detect("a", b"\0\xff#!/bin/sh") == UNKNOWN
    assert detect("a", b"#!/usr/bin/python\0\xff") == UNKNOWN


NAME_PARTS = st.sampled_from(sorted(load_table().by_extension))


@settings(max_examples=300, deadline=None)
@given(st.text() | st.tuples(st.text(max_size=5), NAME_PARTS).map("".join), st.binary() | st.text())
def test_any_name_and_any_content_get_an_answer_of_the_table(filename: str, head: bytes | str) -> None:
    table = load_table()
    found = detect(filename, head)
    assert found == UNKNOWN or found == table.languages[found.language].detected
    assert detect(filename, head) == found


@pytest.mark.parametrize(
    "token", ["a\n", "begin\n", "a:b\n", "\n", " ", "a", "{\n", "#\n", "$a->", "(?", "a "]
)
def test_rules_end_soon_on_hostile_content(token: str) -> None:
    head = token * HEAD_CHARS
    start = time.perf_counter()
    for extension in load_table().heuristics:
        detect("a" + extension, head)
    # Seconds for all 250 extensions together; without bounds one pattern alone takes longer.
    assert time.perf_counter() - start < 30


def test_readable_bounds_what_the_rules_see() -> None:
    text = readable("x" * 10**6 + "\n" + "\n" * 10**5)
    assert len(text) < 1000
    assert readable("é".encode() * 10) == "é" * 10
    assert readable(b"\xef\xbb\xbfa\r\nb\rc") == "a\nb\nc"


def test_fallbacks_name_languages_that_the_extension_has() -> None:
    table = load_table()
    for key, language in FALLBACK.items():
        assert language in (table.by_folded_extension.get(key) or table.by_filename[key]), key
    for program, language in INTERPRETER_FALLBACK.items():
        assert language in table.by_interpreter[program]


def test_every_pattern_compiles_and_every_rule_names_a_language() -> None:
    table = load_table()
    for rules in table.heuristics.values():
        for rule in rules:
            assert rule["language"] in table.languages
            for pattern in chain(*rule.get("all", []), rule.get("none", [])):
                re.compile(pattern, re.MULTILINE | re.ASCII)


def test_rows_and_aliases() -> None:
    table = load_table()
    assert table.language("golang") is table.languages["go"]
    assert table.language("C++").name == "cpp"
    assert table.language("Python").extensions[0] == ".py"
    assert Detected("csv", "excluded") == table.language("csv").detected
    with pytest.raises(UserError, match="unknown language 'klingon'"):
        table.language("klingon")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"languages": {"a": {"type": "poem"}}, "heuristics": []}']
)
def test_a_file_that_is_no_table_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"make it with scripts/make_languages\.py"):
        read_table(path)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    pytest.importorskip("yaml")
    spec = importlib.util.spec_from_file_location("make_languages", ROOT / "scripts" / "make_languages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_docs_hold_the_counts_of_the_table(script: ModuleType) -> None:
    counts = script.counts_text(json.loads(FACTS.read_text(encoding="utf-8")))
    assert counts in " ".join((ROOT / "docs" / "languages.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("ruby", "python"),
    [
        (r"\A\s*\h+\z", r"\A\s*[0-9a-fA-F]+\Z"),
        (r"a(?i)b|c", r"a(?i:b|c)"),
        (r"((?i)a)b", r"((?i:a))b"),
        (r"(?m)a.b", r"(?s:a.b)"),
        (r"(?-m:a)", r"(?-s:a)"),
        (r"(?<name>a)(?<!b)(?<=c)", r"(?P<name>a)(?<!b)(?<=c)"),
        (r"[[:alpha:]_\h]", r"[a-zA-Z_0-9a-fA-F]"),
        (r"[(\]]\(", r"[(\]]\("),
        (r"a++", r"a++"),
    ],
)
def test_ruby_patterns_in_pythons_syntax(script: ModuleType, ruby: str, python: str) -> None:
    assert script.python_pattern(ruby) == python


@pytest.mark.parametrize("ruby", [r"[\s&&[^\n]]", r"(?<a>b)\g<a>", r"\p{Han}", "[a", "(a"])
def test_ruby_patterns_without_a_form_in_python(script: ModuleType, ruby: str) -> None:
    with pytest.raises(script.UntranslatableError):
        script.python_pattern(ruby)


def test_the_committed_table_is_what_the_script_makes(script: ModuleType) -> None:
    folder = ROOT.parent / "shared" / "reference" / "linguist"
    if not folder.is_dir():
        pytest.skip("no ../shared/reference with linguist's data files")
    facts, left_out = script.facts_of(folder, script.release_of(folder))
    assert script.one_per_line(facts) == FACTS.read_text(encoding="utf-8")
    assert [line.split(":")[0] for line in left_out] == [".pod", ".txt"]
