"""Copyright headers in every style of comment, and programs to stand below them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from tests.support import planted_secrets as made


class Style(NamedTuple):
    """A style of comment and a file that has it.

    Attributes:
        language: Name of the language.
        filename: Name of the file.
        opener: First line of a comment, or nothing.
        marker: What each line begins with.
        closer: Last line, or nothing.
        body: A program.
    """

    language: str
    filename: str
    opener: str
    marker: str
    closer: str
    body: str

    def comment(self, lines: Sequence[str]) -> str:
        inside = [f"{self.marker} {line}".rstrip() if self.marker else line for line in lines]
        return "\n".join([*filter(None, [self.opener]), *inside, *filter(None, [self.closer])]) + "\n"


C_BODY = "#include <stdio.h>\n\n/* Adds. */\nint add(int a, int b)\n{\n\treturn a + b;\n}\n"
PY_BODY = '"""Adds numbers."""\n\nimport os\n\n\ndef add(a, b):\n    # Both are numbers.\n    return a + b\n'
HTML_BODY = "<html>\n<!-- The page. -->\n<body><p>text</p></body>\n</html>\n"
PAS_BODY = "unit Adder;\n\ninterface\n\nfunction Add(A, B: Integer): Integer;\n\nend.\n"

STYLES = (
    Style("C", "a.c", "/*", " *", " */", C_BODY),
    Style("C++", "a.cc", "", "//", "", C_BODY),
    Style("C", "a.h", "/**", "", "**/", C_BODY),
    Style("Rust", "a.rs", "", "//!", "", "pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n"),
    Style("Go", "a.go", "", "//", "", "package a\n\n// Add adds.\nfunc Add(a, b int) int { return a + b }\n"),
    Style("Java", "A.java", "/*", " *", " */", "package a;\n\n/** Adds. */\npublic class A { int x = 1; }\n"),
    Style("D", "a.d", "/+", " +", " +/", "module a;\n\nint add(int a, int b) { return a + b; }\n"),
    Style("Python", "a.py", "", "#", "", PY_BODY),
    Style("Python", "a.py", '"""', "", '"""', "import os\n\nx = os.sep\n"),
    Style("Python", "a.py", "'''", "", "'''", "import os\n\nx = os.sep\n"),
    Style("Ruby", "a.rb", "", "#", "", "def add(a, b)\n  a + b\nend\n"),
    Style("Ruby", "a.rb", "=begin", "", "=end", "def add(a, b)\n  a + b\nend\n"),
    Style("Perl", "a.pl", "", "#", "", "use strict;\nmy $x = 1;\n"),
    Style("Shell", "a.sh", "", "#", "", 'set -e\necho "$1"\n'),
    Style("Makefile", "Makefile", "", "##", "", "all:\n\techo done\n"),
    Style("CMake", "CMakeLists.txt", "#[[", "", "]]", "project(a)\nadd_library(a a.c)\n"),
    Style("YAML", "a.yml", "", "#", "", "a: 1\nb:\n  - 2\n"),
    Style("R", "a.R", "", "#'", "", "add <- function(a, b) a + b\n"),
    Style("Julia", "a.jl", "#=", "", "=#", "add(a, b) = a + b\n"),
    Style("CoffeeScript", "a.coffee", "###", "", "###", "add = (a, b) -> a + b\n"),
    Style("Lua", "a.lua", "", "--", "", "local function add(a, b) return a + b end\n"),
    Style("Lua", "a.lua", "--[[", "", "]]", "local function add(a, b) return a + b end\n"),
    Style("SQL", "a.sql", "", "--", "", "SELECT 1;\n"),
    Style("Haskell", "A.hs", "{-", "", "-}", "module A where\n\nadd :: Int -> Int -> Int\nadd = (+)\n"),
    Style("Haskell", "A.hs", "", "--", "", "module A where\n\nadd :: Int -> Int -> Int\nadd = (+)\n"),
    Style("OCaml", "a.ml", "(*", "", "*)", "let add a b = a + b\n"),
    Style("Pascal", "a.pas", "{", "", "}", PAS_BODY),
    Style("Pascal", "a.pas", "(*", " *", " *)", PAS_BODY),
    Style("Common Lisp", "a.lisp", "", ";;;", "", "(defun add (a b) (+ a b))\n"),
    Style("Common Lisp", "a.lisp", "#|", "", "|#", "(defun add (a b) (+ a b))\n"),
    Style("Assembly", "a.asm", "", ";", "", "section .text\n  mov eax, 1\n"),
    Style("TeX", "a.tex", "", "%%", "", "\\documentclass{a}\n\\begin{document}\nText.\n\\end{document}\n"),
    Style("MATLAB", "a.m", "", "%", "", "function c = add(a, b)\n  c = a + b;\nend\n"),
    Style("MATLAB", "a.m", "%{", "", "%}", "function c = add(a, b)\n  c = a + b;\nend\n"),
    Style("M4", "a.m4", "", "dnl", "", "AC_INIT([a], [1])\n"),
    Style("Batchfile", "a.bat", "", "REM", "", "set A=1\necho %A%\n"),
    Style("Batchfile", "a.bat", "", "::", "", "set A=1\necho %A%\n"),
    Style("PowerShell", "a.ps1", "<#", "", "#>", "function Add($a, $b) { $a + $b }\n"),
    Style("Visual Basic .NET", "a.vb", "", "'", "", "Module A\n  Dim x As Integer = 1\nEnd Module\n"),
    Style("Fortran Free Form", "a.f90", "", "!", "", "program a\n  integer :: x\nend program a\n"),
    Style("Fortran", "a.f", "", "C", "", "      PROGRAM A\n      X = 1\n      END\n"),
    Style("COBOL", "a.cob", "", "      *", "", "       IDENTIFICATION DIVISION.\n       PROGRAM-ID. A.\n"),
    Style("Vim Script", "a.vim", "", '"', "", "let s:x = 1\n"),
    Style("reStructuredText", "a.rst", "", "..", "", "Title\n=====\n\nText.\n"),
    Style("Roff", "a.1", "", '.\\"', "", ".TH A 1\n.SH NAME\na \\- adds\n"),
    Style("Texinfo", "a.texi", "", "@c", "", "@node Top\n@top A\n"),
    Style("HTML", "a.html", "<!--", "", "-->", HTML_BODY),
    Style("XML", "a.xml", "<!--", "  ~", "-->", "<a><b>1</b></a>\n"),
    Style("Java Server Pages", "a.jsp", "<%--", "", "--%>", HTML_BODY),
    Style("Blade", "a.blade.php", "{{--", "", "--}}", "<p>{{ $a }}</p>\n"),
    Style("Jinja", "a.j2", "{#", "", "#}", "<p>{{ a }}</p>\n"),
    Style("Smarty", "a.tpl", "{*", "", "*}", "<p>{$a}</p>\n"),
    Style("HTML+Razor", "a.cshtml", "@*", "", "*@", "<p>@Model.A</p>\n"),
    Style("CSS", "a.css", "/*", "", "*/", "a { color: red; }\n"),
    Style("APL", "a.apl", "", "⍝", "", "x←1\n"),
)  # fmt: skip

# The usual ones in a few sentences; {} is year and holder.
LICENCES = {
    "mit": """Copyright (c) {}
|
|Permission is hereby granted, free of charge, to any person obtaining a copy of this software, to deal
|in the software without restriction, subject to the following conditions: the above copyright notice
|shall be included in all copies.
|
|THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED.""",
    "bsd": """Copyright {}
|All rights reserved.
|
|Redistribution and use in source and binary forms are permitted provided that the following is met:
|
|1. Redistributions of source code must retain the above copyright notice.
|2. Neither the name of the holder nor the names of contributors may be used to endorse products.
|
|THIS SOFTWARE IS PROVIDED BY THE AUTHOR ``AS IS'' AND ANY WARRANTIES ARE DISCLAIMED.""",
    "apache": """Copyright {}
|
|Licensed under the Apache License, Version 2.0 (the "License");
|you may not use this file except in compliance with the License.
|You may obtain a copy of the License at
|
|    http://www.apache.org/licenses/LICENSE-2.0
|
|Unless required by applicable law, software is distributed on an "AS IS" BASIS,
|WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND.""",
    "gpl": """Copyright (C) {}
|
|This file is part of Adder.
|
|Adder is free software: you can redistribute it and/or modify it under the terms of the GNU General
|Public License as published by the Free Software Foundation, version 3.
|
|You should have received a copy of the GNU General Public License along with Adder.
|If not, see <https://www.gnu.org/licenses/>.""",
    "mpl": """This Source Code Form is subject to the terms of the Mozilla Public
|License, v. 2.0. If a copy of the MPL was not distributed with this
|file, You can obtain one at https://mozilla.org/MPL/2.0/.""",
    "proprietary": """(c) {}. All rights reserved.
|
|This source code is proprietary and confidential. Unauthorized copying of this file is prohibited.""",
    "spdx": "SPDX-License-Identifier: BSD-3-Clause",
    "reuse": """SPDX-FileCopyrightText: © {}
|
|SPDX-License-Identifier: Apache-2.0""",
    "notice": "Copyright © {}",
    "file": """Copyright {}. All rights reserved.
|Use of this source code is governed by a BSD-style license that can be found in the LICENSE file.""",
    "public domain": "This file has been placed in the public domain by {}.",
    "isc": """Copyright (c) {}
|
|Permission to use, copy, modify, and distribute this software for any purpose is hereby granted.
|
|THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES.""",
}
HOLDERS = (
    "Acme Inc.",
    "The Adder Authors",
    "Example Foundation, Inc.",
    "Northwind GmbH",
    "the original author",
)


def licence(seed: Random, name: str) -> list[str]:
    """Return the lines of a licence with a year and a holder."""
    first = seed.randrange(1985, 2020)
    year = seed.choice((str(first), f"{first}-{first + 4}", f"{first}, {first + 2}"))
    holder = seed.choice((*HOLDERS, made.person(seed), f"{made.person(seed)} <{made.email(seed)}>"))
    who = holder if name == "public domain" else f"{year} {holder}"
    return LICENCES[name].format(who).replace("\n|", "\n").split("\n")
