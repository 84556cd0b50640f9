"""Plots as inline SVG, coloured by class, so that they follow the page's scheme without style attributes.

Row plots have no viewBox: positions are percentages, so that they fill their cell and marks keep their size.
Figures are 360 wide, the width of a phone, so that their letters are never scaled down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from corpus.report.markup import num, percent, ratio, text
from corpus.report.schema import Amount, StepReport

WIDTH = 360
_STREAM = 150
_GAP = 34
_SCALE_END = 100


def figure(title: str, height: float, body: str) -> str:
    """Return a figure; ``title`` (plain text) is what a screen reader says."""
    name = text(title, 400)
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {_at(height)}" width="{WIDTH}" height="{_at(height)}" '
        f'role="img" aria-label="{name}"><title>{name}</title>{body}</svg>'
    )


def bar(value: float, most: float, *, kind: str = "lost", inner: float | None = None) -> str:
    """Return a bar for a table cell; ``inner``, a part of the value, is drawn full over a pale bar.

    The number stands in a cell beside it, so it is hidden from screen readers.
    """
    wide = _share(value, most)
    pale = f"{kind} pale" if inner is not None else kind
    rects = f'<rect class="{pale}" width="{wide}%" height="10" rx="1.5"/>'
    if inner:
        rects += f'<rect class="{kind}" width="{_share(inner, most)}%" height="10" rx="1.5"/>'
    return f'<svg class="bar" height="10" aria-hidden="true" focusable="false">{rects}</svg>'


def dumbbell(ours: float | None, paper: float | None, *, far: bool) -> str:
    """Return two shares (0 to 1) on one line: ours a dot, the paper's a hollow square."""
    grid = "".join(f'<line class="grid" x1="{x}%" x2="{x}%" y1="0" y2="18"/>' for x in _ticks(25))
    marks = ""
    if ours is not None and paper is not None:
        low, high = sorted((ours, paper))
        kind = "link far" if far else "link"
        marks = f'<line class="{kind}" x1="{_x(low)}%" x2="{_x(high)}%" y1="9" y2="9"/>'
    if paper is not None:
        square = '<rect class="paper" x="-4" y="-4" width="8" height="8"/>'
        marks += f'<svg x="{_x(paper)}%" y="9">{square}</svg>'
    if ours is not None:
        marks += f'<circle class="{"ours far" if far else "ours"}" cx="{_x(ours)}%" cy="9" r="4.5"/>'
    label = f"retention ours {percent(ours)}, paper {percent(paper)}"
    return (
        f'<svg class="dumbbell" height="18" role="img" aria-label="{label}"><title>{label}</title>'
        f"{grid}{marks}</svg>"
    )


def flow(steps: Sequence[StepReport], unit: str) -> str:
    """Return the stream through the steps, top down; what a step takes out leaves to the right.

    Args:
        steps: In order.
        unit: ``documents`` or ``bytes``.
    """
    most = max([getattr(step.taken, unit) for step in steps], default=0)
    y, parts = 0.0, []
    for step in steps:
        drawn, y = _step(step.name, step.taken, step.passed, unit, most, y)
        parts.append(drawn)
    last = _thick(getattr(steps[-1].passed, unit), most) if steps else 0
    parts.append(f'<path class="kept" d="M0 {_at(y)}h{_at(last)}v10h-{_at(last)}z"/>')
    end = percent(ratio(getattr(steps[-1].passed, unit), most)) if steps else percent(None)
    parts.append(f'<text class="name" x="0" y="{_at(y + 28)}">kept: {end} of the {unit}</text>')
    return figure(f"{unit} through the steps; {end} are kept", y + 34, "".join(parts))


def _step(name: str, taken: Amount, passed: Amount, unit: str, most: int, y: float) -> tuple[str, float]:
    came, went = getattr(taken, unit), getattr(passed, unit)
    lost = max(came - went, 0)
    wide, out = _thick(min(went, came), most), _thick(lost, most)
    height = max(_GAP, out + 16)
    parts = [f'<path class="kept" d="M0 {_at(y)}h{_at(wide)}v{_at(height)}h-{_at(wide)}z"/>']
    if lost:
        # What leaves turns to the right, then runs level to the labels.
        top, edge, turn = _at(y + 8), _at(wide + out), min(out, 6)
        low, left = _at(y + 8 + out), _at(wide)
        parts.append(
            f'<path class="lost" d="M{left} {_at(y)}H{edge}Q{edge} {top} {_at(wide + out + 6)} {top}'
            f'H{_STREAM + 22}V{low}H{_at(wide + turn)}Q{left} {low} {left} {_at(y + 8 + out - turn)}z"/>'
        )
    middle = y + 8 + max(out, 12) / 2
    share = percent(ratio(lost, came)) if lost else "nothing"
    parts.append(f'<line class="rule" x1="{_STREAM + 30}" x2="{WIDTH}" y1="{_at(y)}" y2="{_at(y)}"/>')
    parts.append(f'<text class="name" x="{_STREAM + 30}" y="{_at(middle + 4)}">{text(name, 14)}</text>')
    parts.append(f'<text class="value" x="{WIDTH}" y="{_at(middle + 4)}">{share} out</text>')
    return "".join(parts), y + height


def curve(points: Sequence[tuple[float, float]], threshold: float) -> str:
    """Return the chance of a pair to be found by its similarity, and the threshold."""
    left, top, wide, high = 34, 14, WIDTH - 44, 150
    low = points[0][0] if points else 0.0

    def x(value: float) -> str:
        return _at(left + wide * (value - low) / ((1 - low) or 1))

    def y(value: float) -> str:
        return _at(top + high * (1 - value))

    grid = "".join(
        f'<line class="grid" x1="{left}" x2="{left + wide}" y1="{y(tick)}" y2="{y(tick)}"/>'
        f'<text class="tick end" x="{left - 6}" y="{_at(float(y(tick)) + 4)}">{tick:g}</text>'
        for tick in (0, 0.5, 1)
    )
    marks = sorted({round(low + (1 - low) * part / 5, 2) for part in range(6)})
    grid += "".join(
        f'<text class="tick mid" x="{x(tick)}" y="{top + high + 16}">{tick:g}</text>' for tick in marks
    )
    path = "L".join(f"{x(s)} {y(p)}" for s, p in points)
    body = f'<path class="line" d="M{path}"/>' if points else ""
    if low <= threshold <= 1:
        side = "end" if (threshold - low) * 2 > 1 - low else ""
        body += (
            f'<line class="mark" x1="{x(threshold)}" x2="{x(threshold)}" y1="{top}" y2="{top + high}"/>'
            f'<text class="value {side or "start"}" x="{_at(float(x(threshold)) + (-6 if side else 6))}" '
            f'y="{top + 12}">threshold {threshold:.3f}</text>'
        )
    name = "Jaccard similarity of a pair"
    axis = f'<text class="tick mid" x="{left + wide / 2:g}" y="{top + high + 34}">{name}</text>'
    title = f"Probability of a pair to be found, by similarity; threshold {threshold:.3f}"
    return figure(title, top + high + 40, grid + body + axis)


def histogram(
    title: str, counts: Sequence[int], labels: Sequence[str], axis: str, *, log: bool = False
) -> str:
    """Return columns with a label beneath each that has one, and the largest count above its column.

    With ``log``, heights go by the logarithm, one document being a tenth of the largest at least.
    """
    left, top, wide, high = 4, 20, WIDTH - 8, 130
    most, pitch = max([*counts, 1]), wide / max(len(counts), 1)
    # Counts stand over all columns where there is room, else over the highest.
    roomy = pitch >= 34
    parts = [f'<line class="rule" x1="{left}" x2="{left + wide}" y1="{top + high}" y2="{top + high}"/>']
    for place, (count, label) in enumerate(zip(counts, labels, strict=True)):
        start, middle = left + pitch * place, left + pitch * (place + 0.5)
        if count:
            share = (1 + math.log10(count)) / (1 + math.log10(most)) if log else count / most
            tall = max(high * share, 1.5)
            parts.append(
                f'<rect class="lost" x="{_at(start + 1.5)}" y="{_at(top + high - tall)}" '
                f'width="{_at(pitch - 3)}" height="{_at(tall)}" rx="1.5"/>'
            )
            if roomy or count == most:
                shift = min(max(middle, left + 24), left + wide - 24)
                parts.append(
                    f'<text class="count mid" x="{_at(middle if roomy else shift)}" '
                    f'y="{_at(top + high - tall - 5)}">{_short(count)}</text>'
                )
        if label:
            parts.append(
                f'<text class="tick mid" x="{_at(middle)}" y="{top + high + 16}">{text(label, 9)}</text>'
            )
    parts.append(f'<text class="tick mid" x="{WIDTH // 2}" y="{top + high + 34}">{text(axis)}</text>')
    return figure(title, top + high + 40, "".join(parts))


def _short(count: int) -> str:
    return (
        num(count) if count < 10_000 else f"{count / 1e3:.3g}k" if count < 999_500 else f"{count / 1e6:.3g}M"
    )


def _thick(value: int, most: int) -> float:
    return max(_STREAM * value / most, 1.0) if value and most else 0.0


def _share(value: float, most: float) -> str:
    return _at(max(_SCALE_END * value / most, 0.5) if value and most else 0)


def _x(share: float) -> str:
    # A little inside the cell, so that marks at both ends are whole.
    return _at(3 + 94 * min(max(share, 0.0), 1.0))


def _ticks(step: int) -> list[str]:
    return [_x(value / _SCALE_END) for value in range(0, _SCALE_END + 1, step)]


def _at(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
