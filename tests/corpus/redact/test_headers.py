"""Planted copyright headers in every style of comment: they go, and all else stays as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from corpus.redact.redact import redact
from tests.support.planted_headers import LICENCES, STYLES, Style, licence

ABOUT = "This module adds two numbers, and is used wherever numbers are added."
NAMED = {f"{style.language} {style.opener or style.marker.strip()}": style for style in STYLES}
# A docstring that says more than a licence is a value of the program.
SPLIT = {name: style for name, style in NAMED.items() if style.opener not in {'"""', "'''"}}


def texts(seed: Random, style: Style, around: str) -> Iterator[tuple[str, str, str]]:
    """Yield for each licence, or some, its name, a text that has it on top, and what is to become of that."""
    for name in LICENCES if around == "alone" else seed.sample(list(LICENCES), 5):
        lines, about = licence(seed, name), style.comment([ABOUT])
        gap = seed.choice(("", "\n", "\n\n"))
        match around:
            case "alone":
                yield name, style.comment(lines) + gap + style.body, style.body
            case "described above":
                comment = style.comment([ABOUT, "", *lines])
                yield name, comment + gap + style.body, about + gap + style.body
            case "described below":
                comment = style.comment([*lines, "", ABOUT])
                yield name, comment + gap + style.body, about + gap + style.body
            case _:
                assert around == "two comments"
                yield name, style.comment(lines) + "\n" + about + gap + style.body, about + gap + style.body


def without_blank_comments(text: str) -> list[str]:
    """Lines with words, since how a comment is closed up around a gap is a matter of taste."""
    return [line for line in text.splitlines() if any(map(str.isalnum, line)) or len(line.strip()) > 4]


def test_styles_and_licences_are_many() -> None:
    assert len({(style.opener, style.marker) for style in STYLES}) >= 25
    assert len(NAMED) == len(STYLES)


@pytest.mark.parametrize("around", ["alone", "described above", "described below", "two comments"])
def test_planted_headers_go(around: str) -> None:
    found: Counter[str] = Counter()
    for key, style in (NAMED if around == "alone" else SPLIT).items():
        for name, text, wanted in texts(Random(key), style, around):
            done = redact(text, language=style.language, filename=style.filename)
            same = without_blank_comments(done.text) == without_blank_comments(wanted)
            if around == "alone":
                same = done.text == wanted
            # Neither the program nor the description is harmed, even where a licence stays.
            assert done.text.endswith(style.body), text
            assert around == "alone" or ABOUT in done.text, text
            found["right" if same and done.counts == {"copyright_header": 1} else f"{key}: {name}"] += 1
    assert found["right"] >= 0.995 * found.total(), found.most_common(9)
