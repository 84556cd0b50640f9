"""What holds for any text: twice is once, nothing becomes empty, placeholders fit the file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from random import Random

import pytest

from corpus.redact.redact import redact
from opencoder.pii.base import Source
from tests.support import planted_secrets as made
from tests.support.planted_headers import LICENCES, STYLES, Style, licence

TEXTS = 200
MAKERS = (*made.KEYS.values(), made.email, made.ipv4, made.ipv6, made.password, made.person, made.nickname)
FRAMES = (
    'password = "{}"', "password: {}", "api_key='{}'", "<token>{}</token>", "{}", "// {}", "Author: {}",
    "@author {}", "TODO({}): x", "http://u:{}@h.org/", "Signed-off-by: {} <{}>", '"author": "{}",',
    "Bearer {}", "author = ['{}']", "# Written by {}, {} and {}", "Server=a;Password={};",
    "setPassword('{}')", "--token={} ", "# Copyright 2011 {}", "x = [{}, {}]", "/* {} */", '"""{}"""',
    "Contact: <{}>, ({})", "ssh {}:22", "<!-- {} -->", "&lt;{}&gt;",
)  # fmt: skip
SIGNS = (
    "\n",
    "\n\n",
    " ",
    "*/",
    "/*",
    '"',
    "'",
    "<",
    ">",
    "@",
    "#",
    "//",
    "\\",
    "\t",
    "(c) ",
    "licence",
    "\u2028",
    "\r",
    "é",
    "=",
)


def texts(seed: Random) -> Iterator[tuple[str, Style]]:
    """Yield headers, values and programs, cut, doubled and mixed at random."""
    for _ in range(TEXTS):
        style = seed.choice(STYLES)
        parts = [style.comment(licence(seed, seed.choice(list(LICENCES)))), style.body]
        for _ in range(seed.randrange(6)):
            frame = seed.choice(FRAMES)
            line = frame.format(*(seed.choice(MAKERS)(seed) for _ in range(frame.count("{}"))))
            parts.insert(seed.randrange(len(parts) + 1), seed.choice((line + "\n", style.comment([line]))))
        text = "".join(parts)
        for _ in range(seed.randrange(8)):
            first = seed.randrange(len(text) + 1)
            last = min(len(text), first + seed.randrange(40))
            piece = seed.choice(
                ("", text[first:last] * 2, seed.choice(SIGNS), seed.choice(SIGNS) + text[first:last])
            )
            text = text[:first] + piece + text[last:]
        yield text, style


@pytest.mark.parametrize("number", range(4))
def test_twice_is_once_and_nothing_becomes_empty(number: int) -> None:
    for text, style in texts(Random(number)):
        once = redact(text, language=style.language, filename=style.filename)
        again = redact(once.text, language=style.language, filename=style.filename)
        assert (again.text, again.counts) == (once.text, {}), (style, text)
        assert bool(once.text.strip()) == bool(text.strip())
        assert once.text.encode(errors="surrogatepass")
        assert all(count > 0 for count in once.counts.values())
        assert (once.text == text) == (not once.counts)
        # Placeholders take no line, only headers and private keys had several.
        lines = once.text.count("\n")
        assert lines <= text.count("\n") + once.counts.get("copyright_header", 0)
        if not once.counts.keys() & {"copyright_header", "key"}:
            assert lines == text.count("\n")


@pytest.mark.parametrize(
    "style", STYLES, ids=lambda style: f"{style.language} {style.opener or style.marker}"
)
def test_a_file_that_is_a_licence_stays(style: Style) -> None:
    for name in LICENCES:
        text = style.comment([line.format("2011 Acme Inc.") for line in licence(Random(1), name)])
        done = redact(text, language=style.language, filename=style.filename)
        assert "copyright_header" not in done.counts
        assert len(done.text.splitlines()) == len(text.splitlines())


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("XML", "<a>{}</a>", "<a>&lt;email&gt;</a>"),
        ("SVG", "<text>{}</text>", "<text>&lt;email&gt;</text>"),
        ("", '<?xml version="1.0"?>\n<a b="{}"/>', '<?xml version="1.0"?>\n<a b="&lt;email&gt;"/>'),
        ("Python", "x = '{}'", "x = '<email>'"),
        ("Markdown", "Ask <{}>.", "Ask <email>."),
    ],
)
def test_placeholders_are_escaped_in_markup(language: str, text: str, wanted: str) -> None:
    done = redact(text.format(made.email(Random(3))), language=language, filename="a")
    assert (done.text, done.counts) == (wanted, {"email": 1})


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\0", "\ufeff", "\ud800", "\r\n", "/*", "*/", "#", '"""', "@", "://", "İ@İ"]
)
def test_odd_texts_stay(text: str) -> None:
    for style in STYLES:
        assert redact(text, language=style.language, filename=style.filename).text == text


def test_the_index_of_a_secret_is_not_moved_by_small_letters() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert len(Source.of(every, language="", filename="").low) == len(every)
    # In small letters İ is two characters.
    value = made.text_of(Random(5), made.BASE62, 12) + "7"
    done = redact(f'x = "{"İ" * 40}"\npassword = "{value}"\n', language="Python", filename="a.py")
    assert done.text == f'x = "{"İ" * 40}"\npassword = "<password>"\n'


def test_each_place_is_counted_under_the_kind_that_it_has() -> None:
    seed = Random(9)
    value = {name: maker(seed) for name, maker in made.KEYS.items()}
    text = "".join(
        (
            f"# Copyright 2011 {made.person(seed)}\n\n# Author: {made.person(seed)} <{made.email(seed)}>\n",
            f'password = "{value["AKIA"]}"\ntoken = "{value["ghp_"]}"\n',
            f'url = "https://me:{value["glpat-"]}@{made.ipv4(seed)}/x"\nmail = "{made.email(seed)}"\n',
        )
    )
    done = redact(text, language="Python", filename="a.py")
    assert done.text.splitlines() == [
        "# Author: <name> <email>", 'password = "<key>"', 'token = "<key>"',
        'url = "https://me:<key>@<ip_address>/x"', 'mail = "<email>"',
    ]  # fmt: skip
    assert done.counts == {"copyright_header": 1, "email": 2, "ip_address": 1, "key": 3, "name": 1}
