"""What the finders of each language take for functions, imports, classes, variables and returns.

Every count is that of the released filter, flaws included.
"""

from __future__ import annotations

import pytest

from corpus.signals import c, csharp, go, java
from corpus.signals.finders import Patterns
from corpus.signals.source import Source

PATTERNS: dict[str, Patterns] = {
    "c": c.PATTERNS,
    "csharp": csharp.PATTERNS,
    "go": go.PATTERNS,
    "java": java.PATTERNS,
}
KINDS = ("functions", "imports", "classes", "variables", "returns")

CASES: list[tuple[str, str, str, int]] = [
    ("c", "int main(void) {}", "functions", 1),
    ("c", "return f(x);", "functions", 1),
    ("c", "else if(x)", "functions", 1),
    ("c", "int f (x);", "functions", 0),
    ("c", "if(x)", "functions", 0),
    ("c", "char * * f(x)", "functions", 1),
    ("c", "char **f(x)", "functions", 0),
    ("c", "char *f(x)", "functions", 1),
    ("c", "char * f(x)", "functions", 1),
    ("c", "int\n*\nf(x)", "functions", 1),
    ("c", "1abc f(x)", "functions", 0),
    ("c", "int f(", "functions", 0),
    ("c", "int f(int g(x))", "functions", 1),
    ("c", "char *s = \"e\u0301 f(x)\";", "functions", 1),
    ("c", "char *s = \"\u0301 f(x)\";", "functions", 0),
    ("c", '#include <a.h>\n  #  include "b.h"\n#include MACRO\n', "imports", 2),
    ("c", "class X {};\nclass Y : public X\n{};\nclass Z;\n", "classes", 2),
    ("c", "int x;\nunsigned int y ;\nlong z;\nint w = 1;\nauto v;\n", "variables", 3),
    ("c", "return;\nreturn x;\nreturn \"a\\\"b\" ;\nreturnx;\nreturn x + 1;\n", "returns", 4),
    ("csharp", "public static void F(int x)", "functions", 1),
    ("csharp", "public static async Task F(int x)", "functions", 0),
    ("csharp", "List<int> F(x)", "functions", 0),
    ("csharp", "int[] F(x)", "functions", 0),
    ("csharp", "new X(y);\nreturn f(x);\n", "functions", 2),
    ("csharp", "else F(x)", "functions", 0),
    ("csharp", "elsewhere F(x)", "functions", 0),
    ("csharp", "<T> R F(x)", "functions", 1),
    ("csharp", "using System;\nusing A.B ;\nusing static A.B;\nusing X = Y;\n", "imports", 2),
    ("csharp", "class A\npublic sealed class B\npublicclass C\nsubclass D\n", "classes", 3),
    ("csharp", "byte a;\nulong b ;\nvar c;\nint d = 1;\n", "variables", 2),
    ("csharp", "return;\nreturn x + y;\nreturn(x);\nreturn\n  x;\nreturn f(\n  x);\n", "returns", 3),
    ("go", "func f(x int) {}\nfunc (r *T) g() {}\n", "functions", 2),
    ("go", "func (r *T[K]) h() {}\nfunc i[T any](x T) {}\n", "functions", 0),
    ("go", "func f()\nfunc g()\n", "functions", 1),
    ("go", "\tfunc f() {}", "functions", 0),
    ("go", 'import "a"\nimport (\n\t"b"\n)\nimport c "d"\n', "imports", 2),
    ("go", "type A struct { b int }\ntype C interface{}\ntype D = struct{}\ntype E int\n", "classes", 2),
    ("go", "var x int\nvar y []int\nvar z = 1\n", "variables", 1),
    ("go", "return\n\treturn x\n", "returns", 1),
    ("go", "return x;\nreturn x; }\nreturned\n", "returns", 1),
    ("java", "public static void f(int x) throws A, B {", "functions", 1),
    ("java", "public f(x)", "functions", 0),
    ("java", "static f(x)", "functions", 1),
    ("java", "<T> T f(x)", "functions", 1),
    ("java", "List<T> f(x)", "functions", 0),
    ("java", "publicKey f(x)\nif f(x)\nelse f(x)\n", "functions", 0),
    ("java", "import a.b.*;\nimport c.D;\nimport static e.F.g;\nimport h; // x\n", "imports", 3),
    ("java", "final class A<T>\npublic abstract class B\nprivate static class C\n", "classes", 2),
    ("java", "int x;\nprivate final String y;\nFoo<Bar> z;\n", "variables", 3),
    ("java", "Foo<A, B> x;\nlong y;\nint z = 1;\n", "variables", 0),
    ("java", "return;\nreturn x;\nreturn \"a\\\"b\" ;\nreturn x.y;\nreturn(x);\n", "returns", 3),
]  # fmt: skip


@pytest.mark.parametrize(("language", "code", "kind", "count"), CASES)
def test_counts(language: str, code: str, kind: str, count: int) -> None:
    source = Source(code, filename="x", size_bytes=len(code), language=language)
    assert PATTERNS[language].counts(source)[KINDS.index(kind)] == count


@pytest.mark.parametrize(
    ("code", "none"),
    [
        ("int x;", False),
        ("return x;", False),
        ("a b[], *c = 1, d = f(x);", False),
        ("x = 1;", True),
        ("f(x);", True),
        ("int f(void);", True),
    ],
)
def test_variables_of_c(code: str, none: bool) -> None:
    source = Source(code, filename="x.c", size_bytes=len(code), language="c")
    assert c.cate_var_zero(source) == none


@pytest.mark.parametrize(
    ("code", "none"),
    [
        ("String x = f();", False),
        ("  final Foo<Bar> x\n;", False),
        ("long x = 1;", True),
        ("int x=;", True),
        ("x = y;", True),
        ("return X ;", True),
    ],
)
def test_variables_of_java(code: str, none: bool) -> None:
    source = Source(code, filename="X.java", size_bytes=len(code), language="java")
    assert java.cate_var_zero(source) == none


def test_names_of_java_are_judged_by_their_second_character() -> None:
    code = "class Ab<T> {\nint x;\nString y;\n<T> T f(a)\npublic void g()\n}\nclass Cd {}\n"
    source = Source(code, filename="X.java", size_bytes=len(code), language="java")
    values = {name.removeprefix("qsc_codejava_"): signal(source) for name, signal in java.SIGNALS.items()}
    assert values["frac_words_legal_var_name"] == 1  # "n" of int, "t" of String
    assert values["frac_words_legal_func_name"] == 1  # "T" of <T>, "u" of public
    assert values["frac_words_legal_class_name"] == 0.5  # the whole name of a class, "Ab<T>"
    assert values["frac_words_no_modifier"] == 0.25  # one of two functions and two classes


def test_directives_are_found_within_words() -> None:
    code = "#ifdef A\n# warning b\nmy_struct c;\nint d;\n#pragma_x\n"
    source = Source(code, filename="x.c", size_bytes=len(code), language="c")
    assert c.frac_lines_preprocessor_directives(source) == 0.8
    header = Source(code, filename="x.h", size_bytes=len(code), language="c")
    assert c.frac_lines_preprocessor_directives(header) is None
