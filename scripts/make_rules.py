"""Make ``docs/rules.md``, the table of the signals and rules of ``corpus``, from their registries.

    python scripts/make_rules.py [-o FILE]

Meanings are the first lines of the signals' docstrings, thresholds those of the rules.
"""

# ruff: noqa: E501 - a row of a table in Markdown is one line

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from corpus.filters import data, others, text
from corpus.filters import registry as filters
from corpus.filters.base import Rule
from corpus.signals import doc, general
from corpus.signals import registry as signals
from corpus.signals.base import Signals
from opencoder.files import atomic

TARGET = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
SETS: dict[str, tuple[Rule, ...]] = {
    "base": others.RULES,
    "data": data.RULES,
    **{name: filters.BY_LANGUAGE[name] for name in ("shell", "sql", "html", "go", "python", "c", "cpp")},
    **{name: filters.BY_LANGUAGE[name] for name in ("csharp", "java", "javascript")},
    "text en": text.ENGLISH,
    "text zh": text.CHINESE,
}
USES = {
    "base": "code of every language without a set of its own",
    "data": "data of every language without a set of its own",
    "text en": "text in every natural language but Chinese",
    "text zh": "text in Chinese",
}
HEAD = """\
# Rules

A file is dropped when one of its signals crosses a threshold. The signals and thresholds are those of the filter
that was released with RefineCode (OpenCoder-llm/opc_data_filtering; paper 2.1 and appendix A). This page is made by
`python scripts/make_rules.py`.

{num_signals} signals, {num_used} of them with a threshold somewhere; {num_sets} sets of rules with {num_pairs}
pairs of set and rule. Names begin with `qsc_`. Every limit is strict: `> 0.2` does not drop a file at 0.2. A signal
without a value (null) drops nothing. "80 %" beside a threshold is the share of such files that the rule drops.

`frac_chars`, `frac_words` and `frac_lines` are shares, `num` counts, `cate` yes (1) or no (0).
"""
TAIL = """\
## The two modes

`compat` gives the values and decisions of the released filter, `default` is without its faults. Thresholds are the
same. They differ in this:

| | `compat` | `default` |
| --- | --- | --- |
| language | name and extension alone, case minded, one language an extension | content too, where an extension has several |
| a signal that fails | is null, and the rest of its group (general or of one language) is missing: their rules pass | is null, its rule drops, and all others are computed |
| rules of chance | decision `random` where nothing else drops the file | settled by a hash of content and rule |
| Go and C# without variables | never seen | `cate_var_zero` is 1 |
| import blocks of Go | their first line counts | every line counts, the first and last too |
| comments | by Pygments; without a lexer, the first line comment makes all that follows comment | by a table of the language's delimiters; no split without one |
| JavaScript | ES2017 by esprima; a `#!` line, optional chaining or JSX does not parse | ES2023, JSX and `#!` by tree-sitter |
| Python | by the running interpreter | by tree-sitter's grammar, Python 2 too |
| names and modifiers of Java and JavaScript, statements per line | computed as released; no rule uses them | left out |

## How near `compat` comes

With Pygments 2.18, esprima 4.0.1, jieba 0.42.1, zhconv 1.4.3 and Python 3.11, all signals, hits and failures of the
594 conformance files, of the released filter's own 120 test files, of 922 other files and of 766
changed at random or made to be odd are equal, shares to 1e-8. With a later Pygments, this remains:

| difference | where it shows |
| --- | --- |
| Pygments after 2.18 sees `//` comments in Less | `fmt.less`: `frac_chars_comments`, `frac_chars_string_length`, `frac_lines_dupe_lines` |
| Pygments after 2.18 leaves the blanks between an included file and a comment to the code | `gtest-extra.h`, `lz4.h`, `handler_spec_test.cpp`, `read.cpp`, `walletmodel.h`: shares of characters, by less than 0.001 there and 0.01 anywhere |
| Pygments after 2.18 tells strings and comments of damaged C# apart otherwise | one decision of 766 files changed at random |
| time limits of 10 s a signal, and of 1 s for two searches, are not reproduced: their effect depends on the machine | large files that are slow to search |
| the depth of nesting at which a walk or a parser fails is met to within a few levels of 10,000 calls | sums of about 5,000 terms, some 600 brackets in brackets |
| characters newer than Python's Unicode tables are of no kind, where the package `regex` knows them | scripts added since Unicode 14 |
"""


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "-o", "--output", type=Path, default=TARGET, help="file to write; default: %(default)s"
    )
    options = parser.parse_args()
    with atomic(options.output) as stream:
        stream.write(page().encode())
    return 0


def page() -> str:
    """Return the whole page."""
    counts = {
        "num_signals": sum(map(len, (general.SIGNALS, doc.SIGNALS, *signals.SPECIFIC.values()))),
        "num_used": len({rule.signal for rules in SETS.values() for rule in rules}),
        "num_sets": len(SETS),
        "num_pairs": sum(map(len, SETS.values())),
    }
    specific = [
        part
        for name in ("python", "c", "cpp", "csharp", "go", "java", "javascript", "html")
        for part in (f"## {name}", _table(signals.SPECIFIC[name], {"dropped": SETS[name]}))
    ]
    parts = [
        HEAD.format(**counts),
        "## Sets",
        _sets(),
        "## Code and data",
        "`base` has the thresholds of the second column; a set of the third has another, or no rule (none).",
        _general(),
        *specific,
        "## Text",
        _table(doc.SIGNALS, {"text en": SETS["text en"], "text zh": SETS["text zh"]}),
        TAIL,
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _sets() -> str:
    rows = [(f"`{name}`", USES.get(name, name), str(len(rules))) for name, rules in SETS.items()]
    return _markdown(("set", "of", "rules"), rows)


def _general() -> str:
    rows = []
    base = _by_signal(SETS["base"])
    for name, function in general.SIGNALS.items():
        usual = _limits(base.get(name))
        differing = {
            other: limit
            for other, rules in SETS.items()
            if not other.startswith("text") and (limit := _limits(_by_signal(rules).get(name))) != usual
        }
        rows.append((_short(name), _meaning(function), usual, _exceptions(differing)))
    return _markdown(("signal `qsc_code_`", "meaning", "dropped", "other sets"), rows)


def _exceptions(differing: Mapping[str, str]) -> str:
    """Sets by their limit: "html, data: none"."""
    by_limit: dict[str, list[str]] = {}
    for name, limit in differing.items():
        by_limit.setdefault(limit, []).append(name)
    return "; ".join(f"{', '.join(names)}: {limit}" for limit, names in by_limit.items())


def _table(rows_of: Signals, columns: Mapping[str, Sequence[Rule]]) -> str:
    prefix = "_".join(next(iter(rows_of)).split("_")[:2]) + "_"
    rows = [
        (
            _short(name),
            _meaning(function),
            *(_limits(_by_signal(rules).get(name)) for rules in columns.values()),
        )
        for name, function in rows_of.items()
    ]
    return _markdown((f"signal `{prefix}`", "meaning", *columns), rows)


def _by_signal(rules: Iterable[Rule]) -> dict[str, Rule]:
    return {rule.signal: rule for rule in rules}


def _short(name: str) -> str:
    return f"`{name.split('_', 2)[2]}`"


def _meaning(function: object) -> str:
    text = (getattr(function, "__doc__", None) or "").split("\n\n")[0]
    if not text:
        raise SystemExit(f"{function} has no docstring; write one that says in a line what the signal is")
    return " ".join(text.replace("``", "`").replace("|", "\\|").split()).removesuffix(".")


def _limits(rule: Rule | None) -> str:
    if rule is None:
        return "none"
    limits = [
        f"{sign} {value:,.10g}"
        for sign, value in (("=", rule.equal), ("<", rule.below), (">", rule.above))
        if value is not None
    ]
    return " or ".join(limits) + (f" ({rule.chance:.0%})".replace("%", " %") if rule.chance < 1 else "")


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
