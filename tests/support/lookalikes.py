"""What looks like a secret or a person's data and is none, with the files that it stands in."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable
from random import Random

from tests.support import planted_secrets as made

NAMES = "key name value index field label header column title user id type path mode".split()


def digest(name: str) -> Callable[[Random], str]:
    return lambda seed: hashlib.new(name, seed.randbytes(8)).hexdigest()


def integrity(seed: Random) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(seed.randbytes(8)).digest()).decode()


def image(seed: Random) -> str:
    return "data:image/png;base64,iVBORw0KGgo" + base64.b64encode(seed.randbytes(900)).decode()


def version(seed: Random) -> str:
    return ".".join(str(seed.choice((0, 1, 2, 3, 10, 14, 22, 4815))) for _ in range(4))


def nobody(seed: Random) -> str:
    local, host = seed.choice(made.WORDS), seed.choice(made.WORDS)
    reserved = (
        "example.com",
        "mail.example.org",
        f"{host}.test",
        f"{host}.invalid",
        f"{host}.example",
        "localhost",
    )
    return seed.choice((f"{local}@{seed.choice(reserved)}", f"noreply@{host}.com", "git@github.com:a/b.git"))


def nowhere(seed: Random) -> str:
    number = seed.randrange(1, 255)
    return seed.choice(
        (
            f"127.0.{number}.1",
            f"10.1.{number}.7",
            f"192.168.{number}.{number}",
            f"172.16.0.{number}",
            f"192.0.2.{number}",
            f"198.51.100.{number}",
            f"203.0.113.{number}",
            f"169.254.1.{number}",
            f"0.0.0.{number}",
            "255.255.255.0",
            f"239.1.1.{number}",
            "8.8.8.8",
            "1.1.1.1",
            "1.2.3.4",
            "::1",
            f"fe80::{number}",
            f"2001:db8::{number}",
            f"fd00::{number}",
            f"12:34:{number % 60:02}",
            "256.300.1.1",
        )
    )


def no_secret(seed: Random) -> str:
    word = seed.choice(made.WORDS)
    return seed.choice(
        (
            "None",
            "os.environ['PASSWORD']",
            'getenv("DB_PASSWORD")',
            "''",
            "input('Password: ')",
            "getpass()",
            '"your-password-here"',
            '"<password>"',
            '"${DB_PASSWORD}"',
            '"{{ password }}"',
            "'********'",
            "'xxxxxxxx'",
            '"password"',
            '"required"',
            '"%(password)s"',
            "'changeme'",
            f"config['{word}']",
            f"self._{word}",
            "True",
            "'/run/secrets/db'",
            "'#password'",
            "'current-password'",
            '"Enter your password"',
            f"{word}(data)",
        )
    )


def product(seed: Random) -> str:
    left, right = (seed.choice(made.WORDS) for _ in range(2))
    return seed.choice(
        (f"{left}@{right}.T", f"{left} @ {right}.co", f"({left}@{right}.me)", f"{left}@{right}.in")
    )


def decorator(seed: Random) -> str:
    first, last = (seed.choice(made.WORDS) for _ in range(2))
    return seed.choice(
        (f"@{first}.{last}", f"@app.route('/{first}@{last}')", f"@{first}.co\n@{last}.io", "@media")
    )


# What stands around it, by language.
PY, JS, YAML, TEXT, SHELL = (
    ("Python", "a.py", "x = {}\n"),
    ("JavaScript", "a.js", 'const x = "{}";\n'),
    ("YAML", "a.yml", "x: {}\n"),
    ("Markdown", "a.md", "It is {} now.\n"),
    ("Shell", "a.sh", "run --with {}\n"),
)
QUOTED = ("Python", "a.py", "x = '{}'\n")
LOOKALIKES: dict[str, tuple[Callable[[Random], str], tuple[tuple[str, str, str], ...]]] = {
    "commit": (digest("sha1"), (QUOTED, JS, YAML, TEXT, SHELL, ("Python", "a.py", "key = '{}'\n"))),
    "digest": (digest("sha256"), (QUOTED, JS, YAML, TEXT, ("Python", "a.py", "def f(key='{}'): pass\n"))),
    "uuid": (
        lambda seed: str(uuid.UUID(int=seed.getrandbits(128))),
        (QUOTED, JS, YAML, TEXT, ("Python", "a.py", "API_KEY = '{}'\n")),
    ),
    "integrity": (integrity, (("JSON", "a.json", '{{"integrity": "{}"}}\n'), YAML)),
    "colour": (
        lambda seed: "#" + made.text_of(seed, made.HEX, 6),
        (("CSS", "a.css", "a {{ color: {}; }}\n"), JS),
    ),
    "version": (
        version,
        (
            ("Python", "a.py", '__version__ = "{}"\n'),
            ("Text", "a.txt", "pkg=={}\n"),
            ("C#", "A.cs", '[assembly: AssemblyVersion("{}")]\n'),
            ("JSON", "a.json", '{{"version": "{}"}}\n'),
            ("Markdown", "a.md", "Upgrade to {} first.\n"),
        ),
    ),
    "reserved address": (nowhere, (QUOTED, JS, YAML, TEXT, SHELL)),
    "reserved mail": (nobody, (QUOTED, JS, YAML, TEXT, SHELL)),
    "no password": (
        no_secret,
        (
            ("Python", "a.py", "password = {}\n"),
            ("Python", "a.py", "f(password={})\n"),
            ("Ruby", "a.rb", "opts = {{ :password => {} }}\n"),
            ("JavaScript", "a.js", "x = {{password: {}}};\n"),
        ),
    ),
    "key of a table": (
        lambda seed: seed.choice(NAMES),
        (
            ("Python", "a.py", 'key = "{}"\n'),
            ("JSON", "a.json", '{{"key": "{}"}}\n'),
            ("JavaScript", "a.js", "<li key='{}' token='{}'></li>\n"),
            ("Java", "A.java", 'String API_KEY = "{}";\n'),
        ),
    ),
    "image": (
        image,
        (("CSS", "a.css", "a {{ background: url({}); }}\n"), ("HTML", "a.html", '<img src="{}">\n')),
    ),
    "product": (product, (PY, ("Python", "a.py", "    y = f({}, 1)\n"))),
    "decorator": (
        decorator,
        (("Python", "a.py", "{}\ndef f(): pass\n"), ("TypeScript", "a.ts", "{}\nclass A {{}}\n")),
    ),
    "package": (lambda seed: f"{seed.choice(made.WORDS)}@{seed.randrange(9)}.2.1", (SHELL, TEXT, YAML, JS)),
    "scaled image": (
        lambda seed: f"{seed.choice(made.WORDS)}@2x.png",
        (JS, TEXT, ("CSS", "a.css", "a {{ b: url({}); }}\n")),
    ),
    "no person": (
        lambda seed: seed.choice(
            (
                "the team",
                "Acme Inc.",
                "hand",
                "default",
                "Google",
                "a user",
                "the compiler",
                "Kubernetes Engine",
                "CMake. Specifying one",
                "Firewall Manager",
            )
        ),
        (
            ("C", "a.c", "/* Written by {}. */\n"),
            ("Python", "a.py", "# Created by {}\n"),
            ("Java", "A.java", "// Author: {}\n"),
        ),
    ),
    "topic": (
        lambda seed: seed.choice(
            ("perf", "windows", "TODO", "const-hack", "strict_provenance_magic", "docs", "v2-0", "later")
        ),
        (("C", "a.c", "// TODO({}): faster\n"), ("Rust", "a.rs", "// FIXME({}) this\n")),
    ),
}
