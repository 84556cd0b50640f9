"""The parts of the page: flow, reasons, languages, duplicates, redaction, settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from corpus.report import plots
from corpus.report.markup import NONE, cells, facts, head_row, num, percent, ratio, size, table, text
from corpus.report.schema import BuildReport, DuplicateReport, LanguageReport
from corpus.report.table16 import FAR, TABLE_16

_MOST_ROWS = 40
_MOST_KEYS = 100
_MOST_SOURCES = 12
_STAGES = (("read", "Read"), ("deduplicated", "After dedup"), ("filtered", "After filter"), ("kept", "Kept"))


def section(ident: str, title: str, body: str) -> str:
    """Return a section with its heading."""
    head = f'<h2 id="{ident}-h">{title}</h2>'
    return f'<section id="{ident}" aria-labelledby="{ident}-h">{head}\n{body}\n</section>'


def note(body: str) -> str:
    """Return a remark, ready HTML."""
    return f'<p class="note">{body}</p>'


def header(report: BuildReport) -> str:
    """Return title, sources and the equation of the build."""
    shown = "".join(f"<li>{text(source)}</li>" for source in report.sources[:_MOST_SOURCES])
    more = len(report.sources) - _MOST_SOURCES
    shown += f"<li>and {num(more)} more</li>" if more > 0 else ""
    terms = (("read", report.read, ""), ("kept", report.kept, "="), ("rejected", report.rejected, "+"))
    sums = "".join(
        (f'<span class="sign">{sign}</span>' if sign else "")
        + f'<span class="term {name}"><b>{num(amount.documents)}</b> <span>{name}</span> '
        f"<small>{size(amount.bytes)}{' less' if name == 'rejected' else ''}</small></span>"
        for name, amount, sign in terms
    )
    share = ratio(report.kept.documents, report.read.documents)
    return (
        f'<header><p class="over">opencoder {text(report.version, 40)}</p><h1>Corpus build</h1>'
        f'<ul class="sources" aria-label="Sources">{shown}</ul><p class="sum">{sums}</p>'
        f"<p>{percent(share)} of the documents and {percent(ratio(report.kept.bytes, report.read.bytes))} of "
        f"the bytes are kept.</p>{_bad(report.bad_shards)}</header>"
    )


def _bad(bad: Mapping[str, str]) -> str:
    if not bad:
        return ""
    rows = [
        f'<th scope="row" class="long">{text(place, 200)}</th><td class="long">{text(reason, 300)}</td>'
        for place, reason in list(bad.items())[:_MOST_KEYS]
    ]
    name = f"Inputs that could not be read and are missing: {num(len(bad))}"
    shown = table(name, head_row(("", "input"), ("", "reason")), rows)
    return f'<div class="warn">{shown}{_cut(len(bad))}</div>'


def flow(report: BuildReport) -> str:
    """Return the stream through the steps by documents and by bytes, and its numbers."""
    rows = [
        f'<th scope="row">{text(step.name, 40)}</th>'
        + cells(
            (
                num(step.taken.documents),
                num(step.passed.documents),
                num(sum(step.rejected.values())),
                percent(ratio(step.passed.documents, step.taken.documents)),
                size(step.taken.bytes),
                size(step.passed.bytes),
            )
        )
        for step in report.steps
    ]
    head = (
        '<tr><td></td><th scope="colgroup" colspan="4">documents</th>'
        '<th scope="colgroup" colspan="2">bytes</th></tr>'
        + head_row(("", "step"), *(("n", n) for n in ("in", "out", "rejected", "passed", "in", "out")))
    )
    drawn = "".join(
        f"<figure><h3>By {unit}</h3>{plots.flow(report.steps, unit)}</figure>"
        for unit in ("documents", "bytes")
    )
    return f'<div class="figures">{drawn}</div>{table("What each step took and let through", head, rows)}'


def reasons(report: BuildReport) -> str:
    """Return rejected documents by reason."""
    return counts(
        "Rejected documents by step and reason", "reason", report.rejected_by, report.rejected.documents
    )


def counts(caption: str, name: str, values: Mapping[str, int], whole: int, *, kind: str = "lost") -> str:
    """Return counts as bars, and what they are of ``whole``."""
    if not values:
        return note("None.")
    most = max(values.values())
    rows = [
        f'<th scope="row" class="long">{text(key)}</th>'
        + cells((num(value), percent(ratio(value, whole))))
        + f'<td class="plotted">{plots.bar(value, most, kind=kind)}</td>'
        for key, value in list(values.items())[:_MOST_KEYS]
    ]
    head = head_row(
        ("", name), ("n", "documents"), ("n", "share"), ("plotted", '<span class="sr">bar</span>')
    )
    return table(caption, head, rows, kind="bars") + _cut(len(values))


def _cut(length: int) -> str:
    return note(f"{num(length - _MOST_KEYS)} more are in report.json.") if length > _MOST_KEYS else ""


def languages(report: BuildReport) -> str:
    """Return languages on their way, and the filter's retention beside the paper's."""
    rows = report.languages
    if not rows:
        return note("No document got past the first step.")
    filtered = report.settings.get("filter", True)
    caption = "Documents and bytes by language, most bytes first"
    first = table(caption, _language_head(), map(_language, rows[:_MOST_ROWS]), foot=_language_sum(rows))
    rest = rows[_MOST_ROWS:]
    if rest:
        more = table("Further languages", _language_head(), map(_language, rest))
        first += f"<details><summary>{num(len(rest))} further languages</summary>{more}</details>"
    outside = ""
    if report.not_in_set:
        outside = "<h3>Outside the chosen set</h3>" + counts(
            "Documents of languages outside the set, rejected",
            "language",
            report.not_in_set,
            report.read.documents,
        )
    return (_retention(rows) if filtered else note("The filter was off.")) + first + outside


def _language_head() -> str:
    groups = "".join(f'<th scope="colgroup" colspan="2">{title}</th>' for _, title in _STAGES)
    top = f'<tr><td colspan="2"></td>{groups}<td></td></tr>'
    pairs = [("n", name) for _ in _STAGES for name in ("documents", "bytes")]
    return top + head_row(("", "language"), ("", "type"), *pairs, ("n", "retention"))


def _language(row: LanguageReport) -> str:
    amounts = [getattr(row, stage) for stage, _ in _STAGES]
    values = [value for amount in amounts for value in (num(amount.documents), size(amount.bytes))]
    share = ratio(row.filtered.documents, row.deduplicated.documents)
    return (
        f'<th scope="row">{text(row.language, 40)}</th><td>{text(row.doc_type, 12)}</td>{cells(values)}'
        + cells([percent(share)])
    )


def _language_sum(rows: Sequence[LanguageReport]) -> str:
    values, sums = [], {}
    for stage, _ in _STAGES:
        amounts = [getattr(row, stage) for row in rows]
        sums[stage] = sum(amount.documents for amount in amounts)
        values += [num(sums[stage]), size(sum(amount.bytes for amount in amounts))]
    share = percent(ratio(sums["filtered"], sums["deduplicated"]))
    return f'<tr><th scope="row">all {num(len(rows))}</th><td></td>{cells([*values, share])}</tr>'


def _retention(rows: Iterable[LanguageReport]) -> str:
    drawn = []
    for row in rows:
        paper = TABLE_16.get(row.language)
        ours = ratio(row.filtered.documents, row.deduplicated.documents)
        if paper is None or ours is None:
            continue
        apart = ours - paper.retention
        far = abs(apart) > FAR
        points = f"{100 * apart:+.0f}".replace("-", "−") if round(100 * apart) else "0"
        sign = ("▲ " if apart > 0 else "▼ ") if far else ""
        drawn.append(
            f'<th scope="row">{text(row.language, 40)}</th>'
            + cells((num(row.deduplicated.documents), percent(ours), percent(paper.retention)))
            + cells([sign + points], kind="n far" if far else "n")
            + f'<td class="plotted">{plots.dumbbell(ours, paper.retention, far=far)}</td>'
        )
    if not drawn:
        return note("None of the languages of the paper’s Table 16 got to the filter.")
    axis = '<span class="axis"><span>0 %</span><span>50 %</span><span>100 %</span></span>'
    head = head_row(
        ("", "language"), ("n", "judged"), ("n", "ours"), ("n", "paper"), ("n", "points"), ("plotted", axis)
    )
    key = note(
        '<span class="key ours"></span> ours, <span class="key paper"></span> the paper’s Table 16: share of '
        f"files that the filter lets through. ▲ and ▼ mark more than {100 * FAR:.0f} points of difference."
    )
    return table("Retention of the filter beside the paper’s Table 16", head, drawn, kind="bars") + key


def duplicates(found: DuplicateReport) -> str:
    """Return what deduplication found, how its bands find, and how near and how many the duplicates are."""
    if found.level == "none":
        return note("Deduplication was off.")
    values = (
        ("level", text(found.level, 20)),
        ("profile", text(found.profile, 20)),
        ("threshold", f"{found.threshold:.3f}"),
        ("exact copies dropped", num(found.exact)),
        ("near-duplicates dropped", num(found.fuzzy)),
        ("candidate edges", num(found.candidates)),
        ("clusters", num(found.clusters)),
        ("largest cluster", num(found.largest_cluster)),
        ("documents of the largest bucket", num(found.largest_bucket)),
        ("without a word", num(found.no_shingles)),
    )
    labels = [f"{place / 20:g}" if place % 4 == 0 else "" for place in range(len(found.jaccard))]
    sizes, numbers = _size_classes(found.cluster_sizes)
    drawn = [(plots.curve(found.curve, found.threshold), "Chance of a pair to be compared")]
    if any(found.jaccard):
        title = "Dropped near-duplicates by Jaccard similarity to the one that stayed"
        drawn.append(
            (plots.histogram(title, found.jaccard, labels, "Jaccard, lower bound of the class"), title)
        )
    if numbers:
        title = "Clusters by size, logarithmic"
        drawn.append((plots.histogram(title, numbers, sizes, "documents in a cluster", log=True), title))
    figures = "".join(f"<figure>{svg}<figcaption>{name}</figcaption></figure>" for svg, name in drawn)
    return facts(values) + f'<div class="figures">{figures}</div>'


def _size_classes(sizes: Mapping[str, int]) -> tuple[list[str], list[int]]:
    """Return clusters by size in classes that double: 2, 3-4, 5-8 and so on."""
    found: dict[int, int] = {}
    for name, clusters in sizes.items():
        place = max(int(name) - 1, 0).bit_length()
        found[place] = found.get(place, 0) + clusters
    places = range(min(found), max(found) + 1) if found else range(0)
    names = [f"{2 ** (p - 1) + 1}–{2**p}" if p > 1 else str(2**p) for p in places]
    return [_size_name(name) for name in names], [found.get(place, 0) for place in places]


def _size_name(name: str) -> str:
    # From 129 on both bounds would not fit under a column.
    return name if len(name) < 6 else f"≥{name.partition('–')[0]}"


def redactions(report: BuildReport) -> str:
    """Return places that were replaced, by kind."""
    replaced, judged = report.redactions, next((s.taken for s in report.steps if s.name == "transform"), None)
    if not replaced.replaced:
        return note("Nothing was replaced." if report.settings.get("redact", True) else "Redaction was off.")
    most = max(replaced.replaced.values())
    rows = [
        f'<th scope="row">{text(kind.replace("_", " "), 40)}</th>'
        + cells((num(places), num(replaced.documents.get(kind, 0))))
        + cells([percent(ratio(replaced.documents.get(kind, 0), judged.documents if judged else 0))])
        + f'<td class="plotted">{plots.bar(places, most)}</td>'
        for kind, places in replaced.replaced.items()
    ]
    head = head_row(
        ("", "kind"),
        ("n", "places"),
        ("n", "documents"),
        ("n", "share"),
        ("plotted", '<span class="sr">bar</span>'),
    )
    return table("Replaced or removed, by kind", head, rows, kind="bars")


def samples(report: BuildReport) -> str:
    """Return languages that were cut to their caps."""
    if not report.samples:
        return note("No language had more than its cap.")
    rows = [
        f'<th scope="row">{text(sample.language, 40)}</th>'
        + cells((size(sample.cap_bytes), num(sample.before.documents), size(sample.before.bytes)))
        + cells((num(sample.after.documents), size(sample.after.bytes)))
        for sample in report.samples
    ]
    names = ("cap", "documents before", "bytes before", "documents after", "bytes after")
    return table(
        "Languages with more than their cap", head_row(("", "language"), *(("n", n) for n in names)), rows
    )


def natural(report: BuildReport) -> str:
    """Return kept documents by natural language, over all languages."""
    sums: dict[str, int] = {}
    for row in report.languages:
        for name, count in row.natural_languages.items():
            sums[name] = sums.get(name, 0) + count
    ordered = dict(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0])))
    return counts(
        "Kept documents by natural language", "language", ordered, report.kept.documents, kind="kept"
    )


def settings(report: BuildReport) -> str:
    """Return what decides the outcome, one value a line."""
    rows = [
        f'<th scope="row" class="long">{text(name)}</th><td class="long">{text(value, 300)}</td>'
        for name, value in list(_flat(report.settings))[: 4 * _MOST_KEYS]
    ]
    return table("Settings of this build", head_row(("", "setting"), ("", "value")), rows)


def _flat(values: Mapping[str, object], before: str = "") -> Iterable[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list | tuple):
            yield before + name, ", ".join(map(str, value)) or NONE
        else:
            yield before + name, NONE if value is None or value == {} else value
