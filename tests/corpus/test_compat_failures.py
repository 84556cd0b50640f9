"""The compatible mode fails where the released filter does, and what is missing then drops nothing.

Not reproduced: its time limits, 10 s a signal and 1 s for two searches, whose effect depends on the machine.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from corpus.explain import explain
from corpus.languages.doc_type import Detected

NUM_GENERAL = 33


def record(text: str, filename: str, language: str) -> dict[str, Any]:
    return explain(text.encode(), filename, detected=Detected(language, "code"))


def names(found: dict[str, Any], language: str) -> list[str]:
    prefix = f"qsc_code{language}_"
    return [name.removeprefix(prefix) for name in found["signals"] if name.startswith(prefix)]


def test_a_deep_python_tree_ends_the_signals_of_python() -> None:
    found = record("x = " + " + ".join(["1"] * 9000) + "\n", "sum.py", "python")
    assert len(found["signals"]) == 35 == NUM_GENERAL + 2
    assert found["errors"].keys() == {"qsc_codepython_frac_lines_func_ratio"}
    assert found["errors"]["qsc_codepython_frac_lines_func_ratio"].startswith("RecursionError")
    assert names(found, "python") == ["cate_ast", "frac_lines_func_ratio"]
    assert found["signals"]["qsc_codepython_cate_ast"] == 1
    assert found["signals"]["qsc_codepython_frac_lines_func_ratio"] is None


def test_deep_brackets_end_the_signals_of_javascript() -> None:
    found = record("x = " + "[" * 3000 + "]" * 3000 + ";\n", "deep.js", "javascript")
    assert len(found["signals"]) == 34 == NUM_GENERAL + 1
    assert found["errors"].keys() == {"qsc_codejavascript_cate_ast"}
    assert found["signals"]["qsc_codejavascript_cate_ast"] is None
    # The file would have been dropped by the rule on a file that does not parse.
    assert "qsc_codejavascript_cate_ast" not in {hit["rule"] for hit in found["hits"]}


def test_a_deep_javascript_tree_parses_and_cannot_be_walked() -> None:
    found = record("var x = " + " + ".join(["1"] * 9000) + ";\n", "sum.js", "javascript")
    assert found["errors"].keys() == {"qsc_codejavascript_cate_var_zero"}
    assert names(found, "javascript") == ["cate_ast", "cate_var_zero"]


@pytest.mark.parametrize(
    ("text", "filename", "language"),
    [
        ("x = " + " + ".join(["1"] * 4000) + "\n", "sum.py", "python"),
        ("y = x" + ".a()" * 1500 + "\n", "calls.py", "python"),
        ("var x = " + " + ".join(["1"] * 4000) + ";\n", "sum.js", "javascript"),
        ("var x = " + "[" * 200 + "]" * 200 + ";\n", "deep.js", "javascript"),
    ],
)
def test_what_the_released_filter_still_walks_has_all_signals(
    text: str, filename: str, language: str
) -> None:
    before = sys.getrecursionlimit()
    found = record(text, filename, language)
    assert found["errors"] == {}
    assert found["signals"][f"qsc_code{language}_cate_ast"] == 1
    assert found["signals"][f"qsc_code{language}_cate_var_zero"] == 0
    assert sys.getrecursionlimit() == before


def test_a_page_that_the_parser_rejects_does_not_parse() -> None:
    found = record("<![x]><!DOCTYPE [<!ELEMENT a>]>", "bad.html", "html")
    assert found["errors"] == {}
    assert found["signals"]["qsc_codehtml_cate_ast"] == 0
    assert found["signals"]["qsc_codehtml_frac_words_text"] is None
    assert found["signals"]["qsc_codehtml_num_chars_text"] is None


def test_default_mode_loses_no_signal() -> None:
    found = explain(
        b"x = " + b" + ".join([b"1"] * 9000) + b"\n", "sum.js", "default", detected=Detected("c", "code")
    )
    assert len(found["signals"]) == 41
    assert found["errors"] == {}
