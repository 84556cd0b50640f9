"""The text of an HTML page, in one pass and in linear time."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"<(?:[a-zA-Z][^>]*+|/[^>]*+|[!?][^>]*+)>")
_HIDDEN = re.compile(r"(script|style|template)(?=[\s/>])", re.IGNORECASE)


def visible_text(text: str) -> str:
    """What a reader sees: no tags, comments, scripts, styles and templates; entities decoded.

    What is opened and not closed reaches to the end.
    """
    found: list[str] = []
    at = 0
    last = text.rfind(">") + 1
    while (tag := text.find("<", at, last)) >= 0:
        found.append(_text(text[at:tag]))
        at = _after(text, tag, last)
        if at == tag:
            found.append("<")
            at += 1
    found.append(_text(text[at:]))
    joined = "".join(found)
    return html.unescape(joined) if "&" in joined else joined


def _text(piece: str) -> str:
    """Blank text between tags is one blank or line end, as where thresholds were set."""
    if piece.isspace():
        return "\n" if "\n" in piece else " "
    return piece


def _after(text: str, tag: int, last: int) -> int:
    """End of what begins at ``tag``; ``tag`` itself if it is no mark-up."""
    if text.startswith("<!--", tag):
        end = text.find("-->", tag + 4)
        return end + 3 if end >= 0 else len(text)
    match = _TAG.match(text, tag, last)
    if match is None:
        return tag
    hidden = _HIDDEN.match(text, tag + 1)
    if hidden is None:
        return match.end()
    closing = re.compile(f"</{hidden.group(1)}", re.IGNORECASE).search(text, match.end())
    if closing is None:
        return len(text)
    return text.find(">", closing.end()) + 1 or len(text)
