"""The part of the page on rules: how often each holds, what it alone drops, and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corpus.report import plots
from corpus.report.markup import NONE, cells, head_row, lines, num, table, text
from corpus.report.schema import Example, RuleReport

_TOP_LANGUAGES = 3
_EXCERPT_CHARS = 480
_EXCERPT_LINES = 10


def rules(rows: Sequence[RuleReport]) -> str:
    """Return the rules, most documents dropped alone first, and examples of each."""
    if not rows:
        return '<p class="note">No rule held on any document.</p>'
    most = max(row.hits for row in rows)
    body = [
        f'<th scope="row" class="long">{_name(place, row)}</th>'
        + cells((num(row.hits), num(row.alone)))
        + f'<td class="plotted">{plots.bar(row.hits, most, inner=row.alone)}</td>'
        + f'<td class="small">{_top(row.hits_by_language)}</td>'
        for place, row in enumerate(rows)
    ]
    head = head_row(
        ("", "rule"),
        ("n", "hits"),
        ("n", "alone"),
        ("plotted", '<span class="sr">bar</span>'),
        ("", "most often in"),
    )
    key = (
        '<p class="note"><span class="key hits"></span> documents on which the rule holds, '
        '<span class="key alone"></span> of these, documents that no other rule drops.</p>'
    )
    details = "".join(_details(place, row) for place, row in enumerate(rows) if row.furthest or row.nearest)
    examples = f"<h3>Dropped by one rule alone</h3>{details}" if details else ""
    return table("Rules of the filter", head, body, kind="rules") + key + examples


def _name(place: int, row: RuleReport) -> str:
    name = text(row.rule).replace("_", "_<wbr>")
    return f'<a href="#rule-{place}">{name}</a>' if row.furthest or row.nearest else name


def _top(languages: Mapping[str, int]) -> str:
    top = list(languages.items())[:_TOP_LANGUAGES]
    return ", ".join(f"{text(name, 30)} {num(count)}" for name, count in top) or NONE


def _details(place: int, row: RuleReport) -> str:
    seen = {example.id for example in row.furthest}
    nearest = [example for example in row.nearest if example.id not in seen]
    groups = [
        ("Furthest beyond the threshold" if nearest else "All", row.furthest),
        ("Nearest to it", nearest),
    ]
    body = "".join(
        f"<h4>{title}</h4>{''.join(map(_example, examples))}" for title, examples in groups if examples
    )
    return (
        f'<details id="rule-{place}"><summary>{text(row.rule)} '
        f'<span class="small">{num(row.alone)} dropped alone</span></summary>{body}</details>'
    )


def _example(example: Example) -> str:
    code = lines(example.excerpt, num_chars=_EXCERPT_CHARS, num_lines=_EXCERPT_LINES)
    return (
        f'<figure class="example"><figcaption><bdi class="long">{text(example.id, 160)}</bdi> '
        f'<span class="small">{text(example.language, 30)}, {_number(example.value)}, threshold '
        f'{_number(example.threshold)}</span></figcaption><pre dir="ltr">\n{code}</pre></figure>'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
