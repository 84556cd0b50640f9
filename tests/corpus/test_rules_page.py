"""The page of rules, and the counts of signals and thresholds that it states."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from corpus.filters.registry import rules_for
from corpus.signals.registry import signals_for

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = {
    "python": 8, "c": 8, "cpp": 8, "java": 8, "javascript": 9, "go": 5, "csharp": 4, "html": 3, "shell": 0,
    "sql": 0, "rust": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_rules", ROOT / "scripts" / "make_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_what_the_script_makes(script: ModuleType) -> None:
    committed = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert committed == script.page(), "run: python scripts/make_rules.py"


def test_counts_are_those_of_the_released_filter(script: ModuleType) -> None:
    assert sum(map(len, script.SETS.values())) == 450
    assert len({rule.signal for rules in script.SETS.values() for rule in rules}) == 98
    assert len(signals_for("text", "markdown")) == 32
    assert {name: len(signals_for("code", name)) - 33 for name in LANGUAGES} == LANGUAGES
    page = script.page()
    for figure in ("118 signals", "98 of them", "14 sets", "450\npairs"):
        assert figure in page


def test_every_rule_is_on_the_page_with_its_threshold(script: ModuleType) -> None:
    page = script.page()
    for name in ("num_lines", "frac_chars_digital", "cate_var_zero", "frac_words_full_bracket"):
        assert f"`{name}`" in page
    row = next(line for line in page.splitlines() if line.startswith("| `num_chars` "))
    assert row.split("|")[3:5] == [" < 50 ", " data: < 50 or > 5,000 "]
    row = next(line for line in page.splitlines() if line.startswith("| `cate_testfile` "))
    assert "= 1 (80 %)" in row


def test_no_rule_looks_at_a_signal_that_is_not_computed() -> None:
    for doc_type, language, natural in [
        *(("code", name, "en") for name in LANGUAGES), ("data", "json", "en"), ("text", "", "zh"),
        ("text", "", "ja"),
    ]:  # fmt: skip
        known = signals_for(doc_type, language)
        rules = rules_for(doc_type, language, natural)
        assert {rule.signal for rule in rules} <= known.keys()
        assert len({rule.signal for rule in rules}) == len(rules)
