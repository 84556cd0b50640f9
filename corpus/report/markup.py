"""Text, numbers and tables as HTML. What comes from a document goes through ``text`` or ``lines``."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence

NONE = "–"
_ELLIPSIS = "…"
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_MOST_MARKS = 3


def text(value: object, limit: int = 120) -> str:
    """Return one line, escaped, cut in the middle to ``limit`` characters; what has no shape gets one."""
    whole = str(value)
    if len(whole) > limit:
        head = limit * 2 // 3
        whole = whole[:head] + _ELLIPSIS + whole[len(whole) - (limit - head - 1) :]
    return html.escape(_visible(whole, keep=""))


def lines(value: str, *, num_chars: int, num_lines: int) -> str:
    """Return the first lines, escaped; line ends and tabs stay."""
    start = value[: num_chars + 1].replace("\r\n", "\n")
    parts = start[:num_chars].split("\n")
    cut = len(start) > num_chars or len(parts) > num_lines
    shown = "\n".join(parts[:num_lines]) + (_ELLIPSIS if cut else "")
    return html.escape(_visible(shown, keep="\n\t"))


def _visible(value: str, *, keep: str) -> str:
    # Overrides of direction, line separators, NULs and lone surrogates would change the page around them, or
    # could not be written; piles of combining marks would cover it.
    out, marks = [], 0
    for char in value:
        category = unicodedata.category(char)
        marks = marks + 1 if category in _MARKS else 0
        if category not in _UNSEEN or char in keep:
            out.append(char if marks <= _MOST_MARKS else "")
        else:
            out.append(f"[U+{ord(char):04X}]")
    return "".join(out)


def num(value: int) -> str:
    """Return a count with separators."""
    return f"{value:,}"


def size(num_bytes: int) -> str:
    """Return bytes in decimal units, as the paper counts: ``1.24 GB``."""
    value, unit = float(num_bytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if abs(value) < 999.5 or unit == "PB":
            break
        value /= 1000
    return (
        f"{num_bytes} B"
        if unit == "B"
        else f"{value:#.3g} {unit}"
        if value < 99.95
        else f"{value:.0f} {unit}"
    )


def ratio(part: float, whole: float) -> float | None:
    """Return a share from 0 to 1; None of nothing."""
    return part / whole if whole else None


def percent(share: float | None) -> str:
    """Return a share as ``12.3 %``. What is not all or nothing never reads so."""
    if share is None:
        return NONE
    if 0 < share < 0.0005:
        return "&lt;0.1 %"
    if 0.9995 <= share < 1:
        return "&gt;99.9 %"
    return f"{100 * share:.1f} %"


def cells(values: Iterable[str], *, kind: str = "n") -> str:
    """Return table cells of ready HTML; kind ``n`` is for numbers."""
    return "".join(f'<td class="{kind}">{value}</td>' for value in values)


def table(caption: str, head: str, rows: Iterable[str], *, foot: str = "", kind: str = "") -> str:
    """Return a table that scrolls sideways by itself where the page is narrow.

    Args:
        caption: Ready HTML.
        head: Rows of the head.
        rows: Rows of the body.
        foot: Rows of the foot.
        kind: Class of the table.
    """
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    end = f"<tfoot>{foot}</tfoot>" if foot else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table class="{kind}">'
        f"<caption>{caption}</caption><thead>{head}</thead><tbody>\n{body}\n</tbody>{end}</table></div>"
    )


def head_row(*names: tuple[str, str]) -> str:
    """Return a row of heads from class and name."""
    return "<tr>" + "".join(f'<th scope="col" class="{kind}">{name}</th>' for kind, name in names) + "</tr>"


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return names and values, ready HTML, as a list."""
    return '<dl class="facts">' + "".join(f"<div><dt>{n}</dt><dd>{v}</dd></div>" for n, v in pairs) + "</dl>"
