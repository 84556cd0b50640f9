"""The safety step of a row: find, flag, replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from opencoder.pii.base import Span, without_overlaps
from opencoder.records import Message
from synth.record import Flags, IoTest, Row
from synth.safety import pii, wording


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What is in a row.

    Attributes:
        flags: The flags of the row with those found here; what was set before stays set.
        places: Places of personal data by field (``messages[0]``, ``code``); values are not kept.
        names: Names of people in a chat.
    """

    flags: Flags
    places: dict[str, list[Span]]
    names: list[str]


def scan(row: Row, *, chat: bool = False) -> Findings:
    """Find personal data, refusals, disclaimers, unasked advice, and what should not be asked for.

    Args:
        row: The row; its flags may hold what its source says of it, see
            :func:`synth.safety.moderation.moderation_flags`.
        chat: Whether it comes from a log of people's chats, so that names are those of people.
    """
    names = pii.names_in(turn.content for turn in row.messages) if chat else []
    places: dict[str, list[Span]] = {}
    for field, text, find, language in _texts(row):
        known = pii.of_names(text, names, language) if names and language != _DATA else []
        if spans := without_overlaps([*find(text), *known]):
            places[field] = spans
    kinds = {span.kind for spans in places.values() for span in spans}
    return Findings(flags=_flags(row, kinds), places=places, names=names)


def apply(row: Row, *, chat: bool = False) -> Row:
    """Return a new row with placeholders for personal data and its flags set; twice is once.

    A placeholder may change what code does, so a row whose ``code`` or tests differ from before must be
    verified again.

    Args:
        row: The row; it is not changed.
        chat: As for :func:`scan`.
    """
    found = scan(row, chat=chat)
    if not found.places:
        return msgspec.structs.replace(row, flags=found.flags)
    placeholders = pii.Placeholders((text for _, text, _, _ in _texts(row)), found.names)

    def clean(field: str, text: str) -> str:
        return placeholders.replace(text, found.places.get(field, ()))

    return msgspec.structs.replace(
        row,
        messages=[
            Message(turn.role, clean(f"messages[{n}]", turn.content)) for n, turn in enumerate(row.messages)
        ],
        code=clean("code", row.code),
        testcase=[clean(f"testcase[{n}]", test) for n, test in enumerate(row.testcase)],
        test_setup=clean("test_setup", row.test_setup),
        stdin_tests=[
            IoTest(
                input=clean(f"stdin_tests[{n}].input", test.input),
                output=clean(f"stdin_tests[{n}].output", test.output),
            )
            for n, test in enumerate(row.stdin_tests)
        ],
        flags=found.flags,
    )


_DATA = "data"
_Text = tuple[str, str, Callable[[str], list[Span]], str | None]


def _texts(row: Row) -> list[_Text]:
    """Field, text, finder and language of each text of a row."""
    language = row.language or "python"

    def of_code(code: str) -> list[Span]:
        return pii.in_code(code, language)

    code = [("code", row.code), *((f"testcase[{n}]", test) for n, test in enumerate(row.testcase))]
    code.append(("test_setup", row.test_setup))
    data = [
        (f"stdin_tests[{n}].{side}", text)
        for n, test in enumerate(row.stdin_tests)
        for side, text in (("input", test.input), ("output", test.output))
    ]
    return [
        *((f"messages[{n}]", turn.content, pii.in_message, None) for n, turn in enumerate(row.messages)),
        *((field, text, of_code, language) for field, text in code if text),
        *((field, text, pii.in_data, _DATA) for field, text in data if text),
    ]


def _flags(row: Row, kinds: Iterable[str]) -> Flags:
    given = row.flags
    requests = [turn.content for turn in row.messages if turn.role == "user"]
    answers = [turn.content for turn in row.messages if turn.role == "assistant"]
    asked = "\n\n".join(requests)
    unsafe = {name for request in requests for name in wording.unsafe_categories(request)}
    return msgspec.structs.replace(
        given,
        pii=sorted({*given.pii, *kinds}),
        refusal=given.refusal or any(map(wording.is_refusal, answers)),
        disclaimer=given.disclaimer or any(map(wording.has_disclaimer, answers)),
        unsolicited=given.unsolicited or any(wording.has_unsolicited(asked, answer) for answer in answers),
        nsfw=given.nsfw or any(map(wording.is_nsfw, [*requests, *answers])),
        unsafe=sorted({*given.unsafe, *unsafe}),
    )
