"""Each fault of the released filter, and what the default mode makes of it."""

from __future__ import annotations

import pytest

from corpus.filters.base import Rule, apply
from corpus.judge import Judgement, judge
from corpus.languages.doc_type import Detected
from corpus.signals.base import measure
from corpus.signals.general import SIGNALS
from corpus.signals.repaired import Repaired


def judged(text: str, language: str, filename: str = "file", doc_type: str = "code") -> Judgement:
    detected = Detected(language, doc_type)  # type: ignore[arg-type]
    return judge(text, filename=filename, size_bytes=len(text.encode()), detected=detected)


def value(text: str, language: str, signal: str, filename: str = "file") -> object:
    return judged(text, language, filename).measured.values[signal]


def test_a_signal_that_fails_is_null_and_the_others_are_computed() -> None:
    def fails(_: object) -> float:
        raise ZeroDivisionError("of a parser")

    source = Repaired("x\n", filename="x", size_bytes=2, language="none")
    signals = {"first": fails, **SIGNALS}
    measured = measure(source, signals, isolate=True)
    assert measured.values["first"] is None
    assert measured.errors == {"first": "ZeroDivisionError: of a parser"}
    assert measured.values.keys() == signals.keys()


def test_want_of_memory_is_no_property_of_the_file() -> None:
    def hungry(_: object) -> float:
        raise MemoryError

    with pytest.raises(MemoryError):
        measure(Repaired("x\n", filename="x", size_bytes=2, language="none"), {"first": hungry}, isolate=True)


def test_the_rule_of_a_failed_signal_drops_and_that_of_a_null_one_does_not() -> None:
    rules = (Rule(signal="failed", above=0.5), Rule(signal="empty", above=0.5))
    verdict = apply(rules, {"failed": None, "empty": None}, failed={"failed": "why"})
    assert [(hit.rule.name, hit.value, hit.threshold) for hit in verdict.hits] == [("failed", None, 0.5)]
    assert verdict.decision == "drop"


GO_BODY = "".join(
    f"func handle{i}(first string, second int) error {{\n\tresult{i} := compute(first, second)\n"
    f"\tif result{i} == nil {{\n\t\tlog(first)\n\t}}\n\tstore{i}(result{i})\n"
    f"\treturn check(result{i})\n}}\n\n"
    for i in range(8)
)


def test_chance_is_settled_by_content_and_rule() -> None:
    text = 'package names\n\nimport (\n\t"fmt"\n)\n\n' + GO_BODY
    chance = "qsc_codego_cate_testfile"
    dropped = 0
    for i in range(200):
        one = judged(f"{text}// {i}\n", "go", "names_test.go")
        again = judged(f"{text}// {i}\n", "go", "names_test.go")
        assert one.verdict == again.verdict
        assert one.verdict.decision in ("keep", "drop")
        dropped += any(hit.rule.name == chance for hit in one.verdict.hits)
        assert any(hit.rule.name == chance for hit in (*one.verdict.hits, *one.verdict.random_hits))
    assert 130 < dropped < 185  # 80 % of 200, five standard deviations either way


def test_a_file_without_variables_is_seen_in_go_and_csharp() -> None:
    assert value("package a\n\nfunc F() int {\n\treturn 1\n}\n", "go", "qsc_codego_cate_var_zero") == 1
    assert value("package a\n\nvar x = 1\n", "go", "qsc_codego_cate_var_zero") == 0
    assert value("class A { }\n", "csharp", "qsc_codecsharp_cate_var_zero") == 1
    assert value("class A { int x; }\n", "csharp", "qsc_codecsharp_cate_var_zero") == 0


def test_all_lines_of_an_import_block_count_in_go() -> None:
    block = 'import (\n\t"fmt"\n\t"os"\n)\n'
    assert value(f"package a\n{block}", "go", "qsc_codego_score_lines_no_logic") == 4 / 5
    assert value('package a\nimport "fmt"\n', "go", "qsc_codego_score_lines_no_logic") == 1 / 2


@pytest.mark.parametrize(
    ("language", "text", "comments"),
    [
        ("assembly", "start: ; here\n mov ax, 1\n mov bx, 2\n", "; here"),
        ("batchfile", "REM first\necho remark\n:: last\n", "REM first\n:: last\n"),
        ("common lisp", '(print ";x") ; why\n#| a\n#| b |# |#\n(f)\n', "; why#| a\n#| b |# |#"),
        ("emacs lisp", ";; one\n(setq a 1)\n", ";; one\n"),
        ("visual basic .net", "Dim a = \"it's\"\n' note\nDim b\n", "' note\n"),
        ("protocol buffer", 'message A { // of\n string u = "http://x"; /* b */\n}\n', "// of/* b */"),
        ("git attributes", "# all\n*.c text\na#b\n", "# all\n"),
        ("m4", "dnl gone\ndefine(x, 1)\n", "dnl gone\n"),
        ("maven pom", "<a><!-- b\n --></a>\n", "<!-- b\n -->"),
        ("digital command language", "$! all\n$ x = 1\n", "$! all\n"),
        ("a language of nobody", "# a\n// b\n", ""),
    ],
)
def test_comments_of_languages_without_a_lexer_end(language: str, text: str, comments: str) -> None:
    source = Repaired(text, filename="x", size_bytes=1, language=language)
    assert source.parts.comments == comments
    assert len(source.parts.code) + len(comments) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "#!/usr/bin/env node\nlet a = 1;\n",
        "const a = b?.c ?? {...d};\n",
        "class A { #x = 1n; static y; get z() { return this.#x; } }\n",
        "try { f(); } catch { g(); }\n",
        "export const A = ({b}) => <div key={b}>{b ? <i/> : null}</div>;\n",
        "for await (const x of y) { z ||= x; }\nexport * as ns from 'm';\n",
    ],
)
def test_javascript_of_today_parses(text: str) -> None:
    assert value(text, "javascript", "qsc_codejavascript_cate_ast") == 1


def test_what_is_no_javascript_does_not_parse() -> None:
    prose = "It was a dark and stormy night; the rain fell in torrents, except at intervals (so he said).\n"
    assert value(prose * 3, "javascript", "qsc_codejavascript_cate_ast") == 0
    assert value("[" * 20_000, "javascript", "qsc_codejavascript_cate_ast") == 0


@pytest.mark.parametrize(
    "text",
    ["print 'a', b\nexec 'c'\n", "match x:\n    case [1, *_]:\n        pass\n", "type A[T] = list[T]\n",
     "try:\n    pass\nexcept* E as e:\n    pass\n", "\ufeffa = 1\n"],
)  # fmt: skip
def test_no_interpreter_decides_what_is_python(text: str) -> None:
    assert value(text, "python", "qsc_codepython_cate_ast") == 1


def test_what_is_no_python_does_not_parse() -> None:
    assert value("def f(:\n    retrun ]\n\nclass {{ }\n", "python", "qsc_codepython_cate_ast") == 0


def test_signals_that_no_rule_uses_and_that_are_wrong_are_gone() -> None:
    for language in ("java", "javascript"):
        assert not [name for name in judged("x\n", language).measured.values if "legal" in name]
