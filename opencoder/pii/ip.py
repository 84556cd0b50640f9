"""Public IP addresses.

Addresses that name no one's machine stay: private, loopback, link-local, documentation, multicast and
reserved ranges (RFC 6890), networks (``.0`` and ``::`` at the end), stand-ins such as 1.2.3.4, and the well-
known public resolvers (BigCode leaves these as well). Four numbers are also a version, an identifier of
ASN.1, a section or a path of an SVG.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from opencoder.pii.base import Source, Span

# Dots and colons are rarer than digits, so both expressions begin behind the first group.
_V4 = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9])")
_V6 = re.compile(r":(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])")
_V6_FIRST = re.compile(r"[23][0-9A-Fa-f]{3}")
_RESOLVERS = frozenset(
    """8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 1.1.1.2 1.0.0.2 1.1.1.3 1.0.0.3 9.9.9.9 9.9.9.10 149.112.112.112
    208.67.222.222 208.67.220.220 76.76.19.19 76.223.122.150 8.26.56.26 8.20.247.20 94.140.14.14
    94.140.15.15 114.114.114.114 114.114.115.115 223.5.5.5 223.6.6.6 119.29.29.29 180.76.76.76 4.2.2.1
    4.2.2.2 4.2.2.3 4.2.2.4 77.88.8.8 64.6.64.6 64.6.65.6 2001:4860:4860::8888 2001:4860:4860::8844
    2606:4700:4700::1111 2606:4700:4700::1001 2620:fe::fe 2620:fe::9""".split()
)
_STAND_INS = re.compile(
    r"1\.2\.3\.\d+|4\.3\.2\.1|5\.6\.7\.8|(\d+)(?:\.\1){3}|12\.34\.56\.78|123\.45\.67\.89|123\.123\.\d+\.\d+"
)
_VERSION = re.compile(
    r"versi|upgrad|updat|\bv[0-9]|\bver\b|releas|[=<>~^]=\s*$|\brev|build\s*[:=#]?\s*$|assembly|section|chapter|§|oid\b|objectid"
)
_HOST = re.compile(
    r"\bips?\b|_ip|ip_|ipv4|addr|host|server|://|\bping\b|\bssh|gateway|dns|peer|subnet|proxy|allow|deny"
)
_PORT = re.compile(r":[0-9]|/[0-9]{2}\b")
_SMALL, _SMALL_HEAD = 40, 20
"""Numbers all below the one, or two below the other in front, are a version or a section, if no host is near.

A random address is of that kind in 1 of 150 cases.
"""


def find(source: Source) -> Iterator[Span]:
    """Yield the place of each public address."""
    text = source.text
    for match in _V4.finditer(text):
        window = text[max(0, match.start() - 3) : match.start()]
        start = match.start() - len(window) + len(window.rstrip("0123456789"))
        value = text[start : match.end()]
        alone = start < match.start() and _stands_alone(text, start, match.end())
        if alone and _is_public(value) and _is_address(source, start, match.end()):
            yield Span(start, match.end(), "ip_address")
    for match in _V6.finditer(text):
        start = match.start() - 4
        # Global unicast is 2000::/3.
        if start < 0 or not _V6_FIRST.match(text, start):
            continue
        before = text[start - 1 : start] if start else ""
        if not (before.isalnum() or before in {":", "_", "."}) and _is_public(text[start : match.end()]):
            yield Span(start, match.end(), "ip_address")


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 1) : start]
    after = text[end : end + 2]
    if before and (before[-1].isalnum() or before[-1] in "._-+$%#"):
        return False
    if after and (after[0].isalpha() or after[0] in "_-+"):
        return False
    return not (len(after) == 2 and after[0] == "." and after[1].isalnum())


def _is_public(value: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:  # 300.1.1.1, 01.2.3.4, 12:34
        return False
    if not address.is_global or address.is_multicast or str(address) in _RESOLVERS:
        return False
    # A network, or a version.
    return not value.endswith((".0", "::")) and not _STAND_INS.fullmatch(value)


def _is_address(source: Source, start: int, end: int) -> bool:
    """Whether what stands around four numbers speaks for an address."""
    before = source.line_before(start, 60).lower()
    if _VERSION.search(before):
        return False
    drawing = source.language in {"svg", "xml", "html"} or "d=" in before
    # Paths of drawings leave out the blank before a decimal point: 12.5.25.5
    if drawing and re.search(r"[0-9][ ,-]$", before):
        return False
    last = before.rstrip(" ,;")[-16:].split(" ")[-1]
    if before.endswith((" ", ",")) and re.fullmatch(r"-?\d*\.\d+", last):
        return False
    numbers = [int(part) for part in source.text[start:end].split(".")]
    if max(numbers) < _SMALL or max(numbers[:2]) < _SMALL_HEAD:
        return bool(_HOST.search(before) or _PORT.match(source.text, end))
    return True
