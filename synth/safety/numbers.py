"""Numbers of people: telephones, bank cards, bank accounts. Checksums decide where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from opencoder.pii.base import Span

_DIGITS = re.compile(r"\D")
_BEFORE = r"(?<![\w.+$#/=-])"
_BEHIND = r"(?![\w-]|\.\d)"
_CARD = re.compile(
    rf"{_BEFORE}(?:[2-6]\d{{3}}(?:[ -]?\d{{4}}){{2}}[ -]?\d{{1,4}}(?:[ -]?\d{{1,3}})?"
    rf"|3[47]\d\d[ -]?\d{{6}}[ -]?\d{{5}}){_BEHIND}"
)
_CARD_WORD = re.compile(r"card|visa|master|amex|credit|debit|payment|卡", re.IGNORECASE)
_TEST_CARDS = frozenset(
    """4111111111111111 4242424242424242 4012888888881881 4000056655665556 5555555555554444 5105105105105100
    5200828282828210 2223003122003222 378282246310005 371449635398431 6011111111111117 6011000990139424
    4532015112830366 4539578763621486 3530111333300000 3566002020360505 4000000000000002""".split()
)
"""Numbers that payment services publish for tests, and those that examples of the checksum use."""

_IBAN = re.compile(r"(?<![\w.+/=-])[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?(?![\w-])")
# Lengths of the registry of ISO 13616.
_IBAN_LENGTHS = {
    item[:2]: int(item[3:])
    for item in """AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24
    DE:22 DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28
    IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LI:21 LT:20 LU:20 LV:21 MC:27 MD:24 ME:22 MK:19
    MR:27 MT:31 MU:30 NL:18 NO:15 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 SA:24 SE:24 SI:19 SK:24 SM:27
    TN:24 TR:26 UA:29 VA:22 XK:20""".split()
}
_TEST_IBANS = frozenset("GB82WEST12345698765432 GB29NWBK60161331926819 DE89370400440532013000".split())

_INTERNATIONAL = re.compile(
    r"(?<![\w.+)\]])\+[1-9]\d{0,2}(?:[ .-]?\(\d{1,4}\))?(?:[ .-]?\d{2,5}){2,5}(?!\w|\.\d|[-+*/=(\[])"
)
_AMERICAN = re.compile(
    _BEFORE
    + r"(?<!\d )(?:1[ .-])?(?:\([2-9]\d{2}\)[ -]?|[2-9]\d{2}([ .-]))[2-9]\d{2}(?(1)\1|[ .-])\d{4}"
    + _BEHIND
)
_CHINESE = re.compile(_BEFORE + r"1[3-9]\d([ -])\d{4}\1\d{4}" + _BEHIND)
_NAMED = re.compile(
    r"(?:\b(?:phone|tel|telephone|mobile|cell|call|whatsapp|fax|text me|reach me|contact)\b"
    r"|电话|手机|联系|微信|致电)[^\d\n+=\[\]{}]{0,20}(?P<number>\(?\d[\d ().-]{6,17}\d)" + _BEHIND,
    re.IGNORECASE,
)
_LEAST, _LEAST_PLAIN, _MOST = 9, 10, 15
"""Digits of a number with its country (E.164 has at most 15); one without gaps is a sum rather, if short."""
_LEAST_NAMED = 8
_COUNTRIES = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[789]\d|8[05]\d|9[679]\d"
)
_DATE = re.compile(
    r"(?:19|20)\d\d[-. ]?[01]\d[-. ]?[0-3]\d(?!\d)|[0-3]?\d[-. ][01]?\d[-. ](?:19|20)\d\d"
    r"|\d{1,3}(?:\.\d{1,3}){3}$"
)


def find(text: str) -> Iterator[Span]:
    """Yield the place of each number in prose, a string or a comment."""
    yield from _cards(text)
    for match in _IBAN.finditer(text):
        bare = match.group().replace(" ", "")
        if is_iban(bare) and bare not in _TEST_IBANS:
            yield Span(*match.span(), "iban")
    yield from _phones(text)


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of Luhn's formula (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Whether it has the length of its country and the check digits of ISO 7064 (modulo 97)."""
    if _IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def _cards(text: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        digits = _DIGITS.sub("", match.group())
        if not _is_issued(digits) or not is_luhn(digits) or digits in _TEST_CARDS or _is_stand_in(digits):
            continue
        # One in ten numbers passes, so a run without gaps needs a word for it.
        grouped = len(digits) < len(match.group())
        if grouped or _CARD_WORD.search(text, max(0, match.start() - 60), match.start()):
            yield Span(*match.span(), "credit_card")


def _is_issued(digits: str) -> bool:
    """Whether an issuer has such numbers, of that length (ISO/IEC 7812)."""
    head, size = int(digits[:4]), len(digits)
    if digits[:2] in {"34", "37"}:
        return size == 15
    if 5100 <= head < 5600 or 2221 <= head < 2721 or 3528 <= head < 3590:
        return size == 16
    if digits[0] == "4":
        return size in {13, 16, 19}
    return size in {16, 19} and (digits[:2] in {"62", "64", "65"} or head == 6011)


def _phones(text: str) -> Iterator[Span]:
    for match in _INTERNATIONAL.finditer(text):
        digits = _DIGITS.sub("", match.group())
        least = _LEAST if len(digits) + 1 < len(match.group()) else _LEAST_PLAIN
        if least <= len(digits) <= _MOST and _COUNTRIES.match(digits) and not _is_fiction(digits):
            yield Span(*match.span(), "phone")
    for pattern in (_AMERICAN, _CHINESE):
        for match in pattern.finditer(text):
            if not _is_fiction(_DIGITS.sub("", match.group())):
                yield Span(*match.span(), "phone")
    for match in _NAMED.finditer(text):
        number = match["number"]
        digits = _DIGITS.sub("", number)
        if _LEAST_NAMED <= len(digits) <= _MOST and not _is_fiction(digits) and not _DATE.match(number):
            yield Span(*match.span("number"), "phone")


def _is_fiction(digits: str) -> bool:
    """Whether nobody has the number: exchange 555 is for fiction, and rows of digits stand for any."""
    return digits[-7:-4] == "555" or _is_stand_in(digits)


def _is_stand_in(digits: str) -> bool:
    if len(set(digits)) <= 2:
        return True
    steps = sum((int(b) - int(a)) % 10 in {1, 9} for a, b in pairwise(digits))
    repeats = sum(a == b for a, b in pairwise(digits))
    return max(steps, repeats) >= 0.7 * (len(digits) - 1)
