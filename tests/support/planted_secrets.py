"""Secrets and personal data made at run time, so that nothing in the repository looks like one.

Each maker draws from a seeded source and returns one value. Formats that carry a check get a right one.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import string
from collections.abc import Callable
from random import Random

from opencoder.pii.keys import checksum62

Maker = Callable[[Random], str]

BASE62 = string.ascii_letters + string.digits
URLSAFE = BASE62 + "-_"
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
FIRST = "Anna Björn Chloé Dmitri Elena François Håkon İnci José Katarzyna Liam Mei Ngozi Olga Łukasz".split()
LAST = (
    "Andersson Brown Çelik Dvořák Eriksen Fischer García Hansen Ivanov Jensen Kowalski Nakamura Øster".split()
)
HOSTS = "gmail.com kernel.org t-online.de mail.ru qq.com corp.acme.co.uk sub.domain.io web.dev".split()
WORDS = "river castle winter orange summer dragonfly copper thunder meadow silver harbour pepper".split()


def text_of(seed: Random, letters: str, count: int) -> str:
    """Return ``count`` characters of ``letters``, with no sign at either end."""
    body = "".join(seed.choices(letters, k=count))
    ends = [letter for letter in letters if letter.isalnum()]
    return seed.choice(ends) + body[1:-1] + seed.choice(ends)


def plain(prefix: str, letters: str, count: int, after: str = "") -> Maker:
    return lambda seed: prefix + text_of(seed, letters, count) + after


def checked(prefix: str) -> Maker:
    def make(seed: Random) -> str:
        body = text_of(seed, BASE62, 30)
        return prefix + body + checksum62(body)

    return make


def joined(prefix: str, *parts: tuple[str, int], sign: str = "-") -> Maker:
    return lambda seed: prefix + sign.join(text_of(seed, letters, count) for letters, count in parts)


def web_token(seed: Random) -> str:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    head, body = part({"alg": "HS256", "typ": "JWT"}), part({"sub": seed.randrange(10**9), "iat": 1_500_000})
    return f"{head}.{body}.{text_of(seed, URLSAFE, 43)}"


def private_key(seed: Random) -> str:
    """Return a block of the usual look; what is in it is noise."""
    label = seed.choice(("RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED ", "DSA ")) + "PRIVATE KEY"
    lines = [text_of(seed, BASE62 + "+/", 64) for _ in range(seed.randrange(3, 25))]
    return "\n".join(
        [f"-----BEGIN {label}-----", *lines, text_of(seed, BASE62, 22) + "==", f"-----END {label}-----"]
    )


KEYS: dict[str, Maker] = {
    "AKIA": plain("AKIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    "ASIA": plain("ASIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    **{f"gh{kind}_": checked(f"gh{kind}_") for kind in "pousr"},
    "github_pat_": joined("github_pat_", (BASE62, 22), (BASE62, 59), sign="_"),
    "glpat-": plain("glpat-", URLSAFE, 20),
    "xox": lambda seed: joined(
        f"xox{seed.choice('bp')}-", ("0123456789", 12), ("0123456789", 12), (BASE62, 24)
    )(seed),
    "hooks.slack.com/services/T": joined(
        "hooks.slack.com/services/T", (UPPER, 8), (f"{'B'}{UPPER}", 9), (BASE62, 24), sign="/B"
    ),
    "sk_live_": plain("sk_live_", BASE62, 24),
    "rk_live_": plain("rk_live_", BASE62, 40),
    "AIza": plain("AIza", URLSAFE, 35),
    "GOCSPX-": plain("GOCSPX-", URLSAFE, 28),
    "sk-": lambda seed: plain(seed.choice(("sk-", "sk-proj-", "sk-ant-api03-")), URLSAFE, 48)(seed),
    "hf_": plain("hf_", string.ascii_letters, 34),
    "npm_": checked("npm_"),
    "pypi-AgE": plain("pypi-AgE", URLSAFE, 150),
    "eyJ": web_token,
    "AccountKey=": plain("", BASE62 + "+/", 86, "=="),
    "SK": plain("SK", HEX, 32),
    "SG.": joined("SG.", (URLSAFE, 22), (URLSAFE, 43), sign="."),
    ":AA": lambda seed: f"{seed.randrange(10**8, 10**10)}:AA{text_of(seed, URLSAFE, 33)}",
    **{f"do{kind}_v1_": plain(f"do{kind}_v1_", HEX, 64) for kind in "por"},
    "shpat_": plain("shpat_", HEX, 32),
    "key-": plain("key-", HEX, 32),
    "ya29.": plain("ya29.", URLSAFE, 120),
    "PRIVATE KEY": private_key,
}


def email(seed: Random) -> str:
    first, last = (seed.choice(WORDS) for _ in range(2))
    local = seed.choice(
        (f"{first}.{last}", f"{first}{seed.randrange(99)}", f"{first[0]}_{last}", f"{first}+{last}")
    )
    return f"{local}@{seed.choice(HOSTS)}"


def ipv4(seed: Random) -> str:
    while True:
        address = ipaddress.IPv4Address(seed.getrandbits(32))
        if address.is_global and not address.is_multicast and not str(address).endswith(".0"):
            return str(address)


def ipv6(seed: Random) -> str:
    groups = [f"{seed.randrange(1, 1 << 16):x}" for _ in range(6)]
    tail = seed.choice((":".join(groups), f"{':'.join(groups[:3])}::{groups[3]}"))
    return f"2{seed.choice('46')}0{seed.choice(HEX)}:{seed.randrange(1, 1 << 16):x}:{tail}"


def password(seed: Random) -> str:
    word, other = seed.sample(WORDS, 2)
    return seed.choice(
        (
            f"{word.title()}{seed.randrange(10, 9999)}",
            f"{word}{seed.choice('!#+=?')}{other}{seed.randrange(10)}",
            f"{word[:3]}{seed.choice('@!_')}{seed.randrange(1000, 9999)}{other.upper()}",
            text_of(seed, BASE62, seed.randrange(8, 20)) + str(seed.randrange(10)),
            text_of(seed, HEX, 32),
        )
    )


def person(seed: Random) -> str:
    first, last = seed.choice(FIRST), seed.choice(LAST)
    return seed.choice(
        (
            f"{first} {last}",
            f"{first} {seed.choice(string.ascii_uppercase)}. {last}",
            f"{first} van der {last}",
            f"{first} {seed.choice(FIRST)} {last}-{seed.choice(LAST)}",
            f"{first} O'{last}",
        )
    )


def nickname(seed: Random) -> str:
    return seed.choice(FIRST).encode("ascii", "ignore").decode().lower() + seed.choice(("", "42", "k"))
