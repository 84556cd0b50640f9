"""Literals given to names that tell what they are: passwords and keys.

All syntaxes of assignment are read by one expression that is tried where a telling word stands, so that the
text is passed over a few times by plain search only. The word must end the name: ``password_file`` holds no
password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from opencoder.pii.base import Source, find_all


class Literal(NamedTuple):
    """A value as it stands in the text.

    Attributes:
        name: The whole name it is given to, small letters.
        word: The telling end of the name: ``password``, ``secret`` ...
        value: The value without its quotes.
        start: Index of its first character.
        quoted: Whether quotes stand around it.
    """

    name: str
    word: str
    value: str
    start: int
    quoted: bool


_IDENTIFIER = "abcdefghijklmnopqrstuvwxyz0123456789_-."
_WORDS = {
    "pass": re.compile(r"pass(?:word|wd|wort|phrase)?(?![a-z])"),
    "pwd": re.compile(r"pwd(?![a-z])"),
    "secret": re.compile(r"secret(?![a-z])"),
    "token": re.compile(r"token(?![a-z])"),
    "key": re.compile(r"key(?![a-z])"),
    "credential": re.compile(r"credentials?(?![a-z])"),
}
# A key alone is an index of something; these make it a secret.
_QUALIFIER = re.compile(
    r"(?:api|access|private|secret|client|auth|encryption|encrypt|signing|sign|account|app|consumer|master|shared"
    r"|subscription|storage|service|license|deploy|admin|session|hmac|jwt|aes|cipher)[_.-]?$"
)
_QUOTED = re.compile(
    r"""
    [0-9]?(?P<close>\\{0,3}["']?)[\])]?
    (?:
        (?:\s{0,8}:\s{0,4}&?(?:'static[ ])?[\w.<>?\[\]]{1,40})?           # a type
        \s{0,8}(?:=>|:=|<-|={1,3}|!==?|:|,|(?<=["'])\s{0,4}value\s?=|\()\s{0,8}
        (?P<prefix>[bruLBRU@]{0,2})
        (?P<quote>\\{0,3}["'])(?P<value>(?:(?!(?P=quote))[^\s]){1,512})(?P=quote)
      | [^<>\n]{0,40}>(?P<inner>[^<>\s]{1,512})</
    )""",
    re.VERBOSE,
)
# A # begins a comment behind a blank only.
_UNQUOTED = re.compile(
    r"[0-9]?[ \t]{0,4}[=:][ \t]{0,4}(?P<value>[^\s\"'`#;,][^\s\"'`;,]{3,511})[ \t]*(?=[\r\n#;]|\Z)"
)
_LINE_START = re.compile(
    r"\s*(?:export\s+|env\s+|arg\s+|set\s+|-\s+|local\s+|readonly\s+)?[\w.-]*\Z", re.IGNORECASE
)
_OPTION = re.compile(r"[= ][\"']?(?P<value>[^\s\"'`<>|&;)(\]]{4,512})")
_CONNECTION = re.compile(r"=(?P<value>[^\s;\"'<>&=][^\s;\"'<>&]{3,127})(?=[;\"'])")
_SERVER = re.compile(
    r"(?:server|data source|host|user id|uid|database|dsn|initial catalog|user)\s?=[^;\"']*;", re.I
)
_SETS = re.compile(r"(?:define|put\w*|set\w*|add\w*|append|env|property)\s*\(\s*$", re.IGNORECASE)


def find_literals(source: Source) -> Iterator[Literal]:
    """Yield each literal with the name it is given to, by word and then by place."""
    for needle, word in _WORDS.items():
        for at in find_all(source.low, needle):
            match = word.match(source.low, at)
            if match is None:
                continue
            window = source.low[max(0, at - 40) : at]
            lead = window[len(window.rstrip(_IDENTIFIER)) :]
            if _tells(source, needle, lead, match):
                literal = _literal(source, lead, match)
                if literal is not None:
                    yield literal


def _tells(source: Source, needle: str, lead: str, match: re.Match[str]) -> bool:
    if needle == "key":
        return bool(_QUALIFIER.search(lead)) and "public" not in lead
    if match.group() == "pass" and lead and lead[-1].isalpha():
        return source.text[match.start()] == "P"  # dbPass, and not bypass
    return "public" not in lead


def _literal(source: Source, lead: str, word: re.Match[str]) -> Literal | None:
    text, end = source.text, word.end()
    name = lead + word.group()
    start = word.start() - len(lead)
    match = _QUOTED.match(text, end)
    if match and match["value"] is not None:
        if _is_given(source, match, name, start):
            return Literal(name, word.group(), match["value"], match.start("value"), True)
        return None
    if match:
        return Literal(name, word.group(), match["inner"], match.start("inner"), False)
    if lead.startswith("--") and (match := _OPTION.match(text, end)):
        return Literal(name, word.group(), match["value"], match.start("value"), False)
    before = source.line_before(word.start())
    if source.unquoted and _LINE_START.match(before) and (match := _UNQUOTED.match(text, end)):
        return Literal(name, word.group(), match["value"], match.start("value"), False)
    if (match := _CONNECTION.match(text, end)) and _SERVER.search(before):
        return Literal(name, word.group(), match["value"], match.start("value"), True)
    return None


def _is_given(source: Source, match: re.Match[str], name: str, start: int) -> bool:
    """Whether a comma or a parenthesis between name and value is that of a setter."""
    text = source.text
    between = text[match.end("close") : match.start("quote")].lstrip("])").strip().rstrip("bruLBRU@").strip()
    if between.startswith(","):
        return bool(match["close"]) and bool(_SETS.search(text[max(0, start - 40) : start].rstrip("\"'\\")))
    if between.endswith("("):
        owner = name.rpartition(".")[2]
        return not match["close"] and (owner.startswith(("set", "with")) or "." in name)
    return True
