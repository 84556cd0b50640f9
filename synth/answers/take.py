"""What a stage takes from an answer, and why an answer is no good."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from synth.answers.code import NoCode, find_code
from synth.answers.sections import find_blocks, find_sections, prose_of, without_thinking
from synth.answers.tests import read_io_tests, split_tests

Kind = Literal["text", "code", "tests", "io_tests", "rest"]
"""``text``: as it stands; ``code``: of the row's language; ``tests``: Python tests, split into pieces;
``io_tests``: a JSON list of inputs and outputs; ``rest``: the whole answer."""

MAX_CHARS = 200_000
"""A longer answer is no answer: models that repeat themselves fill every limit."""

SHORTEST_BARE = 80
"""A text without a heading that has fewer characters is a remark, not what was asked for."""

_SEPARATOR = "\n\x1e\n"
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")


class BadAnswer(Exception):
    """An answer that cannot be used.

    Args:
        reason: ``empty``, ``cut_off``, ``too_long``, ``no_section``, ``json_broken``, ``wrong_language`` or a
            reason of :class:`synth.answers.code.NoCode`.
        detail: What was seen.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def take(
    text: str,
    finish_reason: str,
    wanted: Mapping[str, Kind],
    *,
    optional: frozenset[str] = frozenset(),
    language: str = "python",
    natural_language: str = "",
) -> dict[str, str]:
    """Take the wanted parts out of an answer.

    Args:
        text: The answer.
        finish_reason: Of the server; ``length`` means that it was cut off.
        wanted: Name and kind of each part.
        optional: Parts that may be missing; they come back empty.
        language: Of the code.
        natural_language: ``en`` or ``zh``, what the prose must be in; empty for any.

    Returns:
        The parts; tests are joined and come apart again with :func:`pieces_of`.

    Raises:
        BadAnswer: It is no good.
    """
    check_whole(text, finish_reason)
    text = without_thinking(text)
    if not text.strip():
        raise BadAnswer("empty", "there is nothing behind the thoughts")
    check_prose(text, natural_language)
    named = [name for name, kind in wanted.items() if kind != "rest"]
    sections = find_sections(text, named)
    if len(named) == 1 and not sections and (find_blocks(text) or len(text.strip()) >= SHORTEST_BARE):
        sections = {named[0]: text.strip()}  # the answer to one question needs no heading
    parts: dict[str, str] = {}
    for name, kind in wanted.items():
        section = text.strip() if kind == "rest" else sections.get(name, "")
        if not section and kind == "code":
            section = _only_code(text, sections)
        if section:
            parts[name] = _part(section, kind, language)
        elif name in optional:
            parts[name] = ""
        else:
            raise BadAnswer("no_section", f"there is no `{name}` in it")
    return parts


def take_json(text: str, finish_reason: str) -> Any:
    """Return the value of an answer that must be JSON, with or without a fence around it.

    Raises:
        BadAnswer: It is no JSON.
    """
    check_whole(text, finish_reason)
    text = without_thinking(text).strip()
    blocks = find_blocks(text)
    try:
        return json.loads(blocks[0].text if blocks else text)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("json_broken", f"no JSON: {error}"[:300]) from None


def check_whole(text: str, finish_reason: str) -> None:
    """Check that an answer is all there and of a sane length.

    Raises:
        BadAnswer: It is not.
    """
    if finish_reason == "content_filter":
        raise BadAnswer("filtered", "the provider's filter stopped the answer")
    if finish_reason == "length":
        raise BadAnswer("cut_off", f"it was cut off after {len(text)} characters")
    if not text.strip():
        raise BadAnswer("empty", "the answer is empty")
    if len(text) > MAX_CHARS:
        raise BadAnswer("too_long", f"it has {len(text)} characters, at most {MAX_CHARS} are read")


def check_prose(text: str, natural_language: str) -> None:
    """Check the language of the prose by its script, which is enough to tell English and Chinese apart.

    Raises:
        BadAnswer: It is in the other one.
    """
    prose = prose_of(text)
    letters = len(_LETTER.findall(prose))
    if not natural_language or letters < 20:
        return
    share = len(_HAN.findall(prose)) / letters
    if natural_language == "en" and share > 0.2:
        raise BadAnswer("wrong_language", f"asked for English, {share:.0%} of the letters are Chinese")
    if natural_language == "zh" and share < 0.2:
        raise BadAnswer("wrong_language", f"asked for Chinese, {share:.0%} of the letters are")


def pieces_of(joined: str) -> list[str]:
    """Return the tests that :func:`take` joined."""
    return [piece for piece in joined.split(_SEPARATOR) if piece.strip()]


def joined(pieces: list[str]) -> str:
    """Join tests to one text that a prompt can show, and that comes apart again."""
    return _SEPARATOR.join(pieces)


def _only_code(text: str, sections: Mapping[str, str]) -> str:
    """Return the text where code may stand that is under no heading of its own."""
    return text if find_blocks(text) and not any(find_blocks(part) for part in sections.values()) else ""


def _part(section: str, kind: Kind, language: str) -> str:
    try:
        if kind == "code":
            return find_code(section, language)
        if kind == "tests":
            return joined(split_tests(find_code(section, "python", all_blocks=True)))
        if kind == "io_tests":
            blocks = find_blocks(section)
            text = blocks[0].text if blocks else section
            read_io_tests(text)
            return text.strip()
    except NoCode as missing:
        raise BadAnswer(missing.reason, missing.detail) from None
    return section
