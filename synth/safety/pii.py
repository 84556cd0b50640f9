"""Personal data in one text, and typed placeholders that are the same for the same value."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from opencoder.pii import emails, ip, keys, passwords
from opencoder.pii.assigned import find_literals
from opencoder.pii.base import Source, Span, without_overlaps
from synth.safety import numbers
from synth.safety.names import find_names
from synth.safety.prose import Part, literals, parts

_PLACEHOLDER = re.compile(r"<(EMAIL|IP_ADDRESS|KEY|PASSWORD|PHONE|CREDIT_CARD|IBAN|NAME)_(\d{1,6})>")
_NUMBERS = frozenset({"iban", "credit_card", "phone", "name"})
_MIN_GIVEN = 3
"""Shortest first name that is looked for by itself."""


def in_message(text: str) -> list[Span]:
    """Places of personal data in a message: in prose, and in the strings and comments of its code."""
    found: list[Span] = []
    for part in parts(text):
        found += _moved(_in_part(text, part), part.start)
    return without_overlaps(found)


def in_code(code: str, language: str) -> list[Span]:
    """Places in code. In Python, all are within strings and comments, so that it still parses after."""
    source = Source.of(code, language=language, filename="")
    found = [*_common(source), *numbers.find(code)]
    return without_overlaps(_in_literals(code, language, found)) if found else []


def in_data(text: str) -> list[Span]:
    """Places in data, whose digits are anything: no telephone numbers and the like."""
    return without_overlaps(_common(Source.of(text, language="", filename="")))


def names_in(messages: Iterable[str]) -> list[str]:
    """Names by which people introduce themselves or sign, in their order."""
    names: dict[str, None] = {}
    for text in messages:
        for part in parts(text):
            if part.language is None:
                said = text[part.start : part.end]
                names.update((said[start:end], None) for start, end in find_names(said))
    return list(names)


def of_names(text: str, names: Iterable[str], language: str | None) -> list[Span]:
    """Places of known names, whole or the first name alone; in code within strings and comments.

    Args:
        text: A message, or code.
        names: What :func:`names_in` returned.
        language: Of code; None for a message.
    """
    wanted = sorted({part for name in names for part in (name, _given(name)) if part}, key=len, reverse=True)
    if not wanted:
        return []
    pattern = re.compile("|".join(_whole(name) for name in wanted))
    every = [Part(0, len(text), language)] if language is not None else list(parts(text))
    found: list[Span] = []
    for part in every:
        piece = text[part.start : part.end]
        spans = [Span(*match.span(), "name") for match in pattern.finditer(piece)]
        if part.language is not None:
            spans = _in_literals(piece, part.language, spans)
        found += _moved(spans, part.start)
    return found


def _given(name: str) -> str:
    first = name.split(" ")[0]
    return first if first != name and len(first) >= _MIN_GIVEN else ""


def _whole(name: str) -> str:
    return rf"(?<!\w){re.escape(name)}(?!\w)" if name.isascii() else re.escape(name)


def _in_part(text: str, part: Part) -> list[Span]:
    piece = text[part.start : part.end]
    if part.language is None:
        source = Source.of(piece, language="text", filename="")
        return [*_common(source), *numbers.find(piece)]
    return in_code(piece, {"py": "python", "python3": "python"}.get(part.language, part.language))


def _common(source: Source) -> Iterator[Span]:
    given = list(find_literals(source))
    yield from keys.find(source, given)
    yield from passwords.find(source, given)
    yield from emails.find(source)
    yield from ip.find(source)


def _in_literals(code: str, language: str, found: Iterable[Span]) -> list[Span]:
    """Keep what begins and ends within strings and comments: all of Python, numbers and names elsewhere."""
    places = literals(code, language)
    return [
        span
        for span in found
        if (language != "python" and span.kind not in _NUMBERS)
        or (_is_within(places, span.start) and _is_within(places, span.end - 1))
    ]


def _is_within(places: list[tuple[int, int]], at: int) -> bool:
    index = bisect_right(places, at, key=lambda place: place[0]) - 1
    return index >= 0 and places[index][0] <= at < places[index][1]


def _moved(spans: Iterable[Span], by: int) -> list[Span]:
    return [Span(span.start + by, span.end + by, span.kind) for span in spans]


class Placeholders:
    """Placeholders of one dialogue, ``<EMAIL_1>`` and so on: the same value has the same one.

    Args:
        texts: All texts of the dialogue; numbers that stand there already are not given again.
        names: Known names; a first name stands for the whole one.
    """

    def __init__(self, texts: Iterable[str], names: Iterable[str]) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._last: dict[str, int] = {}
        self._whole = {_given(name): name for name in names if _given(name)}
        for text in texts:
            for kind, number in _PLACEHOLDER.findall(text):
                self._last[kind] = max(self._last.get(kind, 0), int(number))

    def replace(self, text: str, spans: Iterable[Span]) -> str:
        """Put the placeholder of its value in each place."""
        pieces, at = [], 0
        for span in spans:
            pieces += [text[at : span.start], self._of(span.kind, text[span.start : span.end])]
            at = span.end
        return "".join([*pieces, text[at:]])

    def _of(self, kind: str, value: str) -> str:
        if kind in {"phone", "credit_card"}:
            value = re.sub(r"\D", "", value)
        elif kind == "name":
            value = self._whole.get(value, value)
        else:
            value = value.strip("<> ").replace(" ", "").lower() if kind in {"email", "iban"} else value
        label = kind.upper()
        if (kind, value) not in self._given:
            self._last[label] = self._last.get(label, 0) + 1
            self._given[kind, value] = f"<{label}_{self._last[label]}>"
        return self._given[kind, value]
