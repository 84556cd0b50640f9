"""Planted secrets and personal data: how many are found, and that nothing around them is touched."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import NamedTuple

import pytest

from corpus.redact.redact import redact
from opencoder.pii import keys
from tests.support import planted_secrets as made

ROUNDS = 15


class Place(NamedTuple):
    """Where something is planted: ``{}`` in a file of a language."""

    language: str
    filename: str
    text: str


KEY_PLACES = (
    Place("Python", "a.py", 'import os\n\nclient = Client("{}", region="eu")\n'),
    Place("JavaScript", "a.js", "const config = {{ url: '{}' }};\nmodule.exports = config;\n"),
    Place("JSON", "a.json", '{{\n  "name": "x",\n  "value": "{}"\n}}\n'),
    Place("YAML", "a.yml", "steps:\n  - run: deploy {}\n  - run: test\n"),
    Place("Shell", "a.sh", '#!/bin/sh\ncurl -H "X-Thing: {}" "$HOST/v1"\n'),
    Place("Markdown", "a.md", "# Use\n\nSet it to `{}` and go on.\n"),
    Place("Go", "a.go", "package a\n\n// {} was here\nvar x = 1\n"),
    Place("Dotenv", ".env", "A=1\nB={}\nC=2\n"),
)
PASSWORD_PLACES = (
    Place("Python", "a.py", 'def f():\n    password = "{}"\n    return g(password)\n'),
    Place("Python", "a.py", "connect(host=h, user=u, passwd='{}', port=3306)\n"),
    Place("JSON", "a.json", '{{"user": "root", "password": "{}", "port": 1}}\n'),
    Place("YAML", "a.yml", "db:\n  user: root\n  password: {}\n  port: 1\n"),
    Place("INI", "a.ini", "[db]\nuser = root\npassword = {}\nport = 1\n"),
    Place("Java Properties", "a.properties", "db.user=root\ndb.password={}\ndb.pool=5\n"),
    Place("Dotenv", ".env", "A=1\nDB_PASSWORD={}\nB=2\n"),
    Place("Shell", "a.sh", '#!/bin/sh\nexport PGPASSWORD="{}"\npsql\n'),
    Place("PHP", "a.php", "<?php\ndefine('DB_PASSWORD', '{}');\n$a = 1;\n"),
    Place("PHP", "a.php", "<?php\n$db = ['user' => 'root', 'password' => '{}'];\n"),
    Place("Java", "A.java", 'class A {{ void f() {{ source.setPassword("{}"); }} }}\n'),
    Place("C#", "A.cs", 'var c = "Server=db;User Id=sa;Password={};Timeout=3";\n'),
    Place("Go", "a.go", 'package a\n\nfunc f() {{\n\tpassword := "{}"\n\tuse(password)\n}}\n'),
    Place("TypeScript", "a.ts", "const login: Login = {{ user: 'me', password: '{}' }};\n"),
    Place("XML", "a.xml", "<server>\n  <password>{}</password>\n</server>\n"),
    Place("Python", "a.py", 'url = "postgres://app:{}@db.intern:5432/app"\n'),
    Place("YAML", "docker-compose.yml", "services:\n  db:\n    environment:\n      - MYSQL_PASSWORD={}\n"),
)
EMAIL_PLACES = (
    Place("Python", "a.py", '"""A module."""\n\n# Ask {} about it.\nx = 1\n'),
    Place("Python", "a.py", 'def f():\n    """Do it.\n\n    Written by us ({}).\n    """\n'),
    Place("C", "a.c", "/* Bugs to <{}> please. */\nint x;\n"),
    Place("JavaScript", "a.js", "send({{ to: '{}', subject: 's' }});\n"),
    Place("HTML", "a.html", '<p><a href="mailto:{}">write</a></p>\n'),
    Place("SQL", "a.sql", "INSERT INTO users VALUES (1, '{}', 'x');\n"),
    Place("CSV", "a.csv", "1,{},x\n"),
    Place("Perl", "a.pm", "=head1 AUTHOR\n\nMe E<lt>{}E<gt>.\n"),
    Place("YAML", "a.yml", "contact: {}\nother: 1\n"),
    Place("Rust", "a.rs", "//! Contact: ({})\nfn main() {{}}\n"),
    Place("Shell", "a.sh", "git config user.email {}\n"),
)
IP_PLACES = (
    Place("Python", "a.py", 'HOST = "{}"\nPORT = 80\n'),
    Place("Python", "a.py", "hosts = ['{}', 'b']\n"),
    Place("YAML", "a.yml", "hosts:\n  - {}\n"),
    Place("Nginx", "nginx.conf", "server {{\n  allow {};\n  deny all;\n}}\n"),
    Place("JSON", "a.json", '{{"ip": "{}", "port": 22}}\n'),
    Place("C", "a.c", 'a.s_addr = inet_addr("{}");\n'),
    Place("Markdown", "a.md", "The machine is at {}.\n"),
)
V4_PLACES = (
    *IP_PLACES,
    Place("Shell", "a.sh", "ssh root@{} uptime\n"),
    Place("Go", "a.go", 'package a\n\nvar u = "http://{}:8080/x"\n'),
)
V6_PLACES = (*IP_PLACES, Place("Go", "a.go", 'package a\n\nvar u = "http://[{}]:8080/x"\n'))
NAME_PLACES = (
    Place("Java", "A.java", "/**\n * Does it.\n *\n * @author {}\n */\nclass A {{}}\n"),
    Place("Python", "a.py", '"""A module."""\n\n__author__ = "{}"\n'),
    Place("Python", "setup.py", 'setup(name="a", author="{}", version="1")\n'),
    Place("JSON", "package.json", '{{"name": "a", "author": "{}", "main": "a.js"}}\n'),
    Place("TOML", "a.toml", 'authors = ["{}"]\nname = "a"\n'),
    Place("C", "a.c", "/*\n * A driver.\n * Author: {}\n */\nint x;\n"),
    Place("Python", "a.py", "# Written by {}, 2011\nx = 1\n"),
    Place("Python", "a.py", "x = 1  # created by {}.  It is old.\n"),
    Place("Text", "a.txt", "Fix it\n\nSigned-off-by: {}\n"),
    Place("Vim Script", "a.vim", '" Maintainer: {}\nlet x = 1\n'),
    Place("TeX", "a.tex", "\\title{{T}}\n\\author{{{}}}\n\\begin{{document}}\n"),
)
NICKNAME_PLACES = (
    Place("C++", "a.cc", "int x;  // TODO({}): make it so\n"),
    Place("Python", "a.py", "x = 1\n# FIXME({}) later\n"),
    Place("Java", "A.java", "/** @author {} */\nclass A {{}}\n"),
)


def planted(seed: Random, maker: made.Maker, places: tuple[Place, ...], kind: str) -> Counter[str]:
    """Plant one value in each place, and count what became of them by where they stood."""
    found: Counter[str] = Counter()
    for place in places:
        value = maker(seed)
        done = redact(place.text.format(value), language=place.language, filename=place.filename)
        # Brackets right around an address go with it.
        wanted = place.text.replace("<{}>", "{}") if kind == "email" else place.text
        sign = f"&lt;{kind}&gt;" if place.language == "XML" else f"<{kind}>"
        right = done.text == wanted.format(sign) and done.counts == {kind: 1}
        # What is found must be gone, and nothing else.
        assert right or value in done.text or not done.counts, (place, value, done)
        found["right" if right else f"{place.filename}: {place.text.format(value)[:200]!r}"] += 1
    return found


def share(found: Counter[str]) -> float:
    return found["right"] / found.total()


def test_every_format_is_planted() -> None:
    assert {form.anchor for form in keys._FORMATS} | {"PRIVATE KEY"} == set(made.KEYS)


@pytest.mark.parametrize("name", made.KEYS)
def test_keys_of_providers_are_found(name: str) -> None:
    seed, found = Random(name), Counter[str]()
    places: tuple[Place, ...] = KEY_PLACES
    if name == "AccountKey=":
        places = (Place("C#", "A.cs", 'var c = "AccountName=a;AccountKey={};EndpointSuffix=b";\n'),)
    for _ in range(ROUNDS):
        found += planted(seed, made.KEYS[name], places, "key")
    assert share(found) >= 0.98, found.most_common(4)


@pytest.mark.parametrize(
    ("kind", "maker", "places", "least"),
    [
        ("password", made.password, PASSWORD_PLACES, 0.99),
        ("email", made.email, EMAIL_PLACES, 0.99),
        ("ip_address", made.ipv4, V4_PLACES, 0.98),
        ("ip_address", made.ipv6, V6_PLACES, 0.99),
        ("name", made.person, NAME_PLACES, 0.99),
        ("name", made.nickname, NICKNAME_PLACES, 0.99),
    ],
)
def test_personal_data_is_found(
    kind: str, maker: made.Maker, places: tuple[Place, ...], least: float
) -> None:
    seed, found = Random(kind), Counter[str]()
    for _ in range(ROUNDS):
        found += planted(seed, maker, places, kind)
    assert share(found) >= least, found.most_common(4)
