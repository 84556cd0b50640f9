"""Names of people, only where a mark says that one follows: ``@author``, ``Signed-off-by:``, ``TODO(x)`` ...

Outside of such marks a name is not told from any other word without a model of language. Names of companies,
teams and tools are left, as they are no personal data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from opencoder.pii.base import Source, Span, find_all

_WORD = r"[^\W\d_][\w'’-]{0,30}\.?"
_PERSON = re.compile(rf"{_WORD}(?:[ \t]{{1,3}}{_WORD}){{0,4}}")
_TAG = re.compile(r"authors?(?:[ \t]*:)?(?:[ \t]{1,20}|(?:\[[^\]\n]{0,40}\])?\{)", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:authors?|maintainers?|developers?)[ \t]{0,8}:[ \t]{1,20}|maintained by:?[ \t]{1,8}", re.IGNORECASE
)
_CODE = re.compile(
    r"(?:authors?|maintainers?|author_name|creator)(?:__)?[\"']?[ \t]{0,8}(?:=>|:=|=|:)\s{0,8}"
    r"(?:[\[({]\s{0,40})?u?[\"'](?:name[\"']\s{0,4}:\s{0,4}[\"'])?",
    re.IGNORECASE,
)
_BY = re.compile(r"by:?[ \t]{1,8}", re.IGNORECASE)
_MADE = ("written ", "created ", "coded ", "developed ", "contributed ", "authored ")
_TRAILERS = tuple(
    f"{word}-"
    for word in "signed-off co-authored reviewed reported tested acked suggested co-developed".split()
)
_TODO = re.compile(
    r"\b(?:TODO|FIXME|XXX|HACK)\((?P<name>[A-Za-z][A-Za-z._-]{1,30}[0-9]{0,4})\)(?=[: ]|$)", re.M
)
_NEXT = re.compile(
    r"[ \t]{0,4}(?:<[^<>\n]{0,80}>|\([^()\n]{0,80}\))?[ \t]{0,4}(?:,|&|\band\b)[ \t]{0,4}(?:and\b[ \t]{0,4})?"
)
_NEXT_LITERAL = re.compile(r"(?:[ \t]{0,4}<[^<>\n]{0,80}>)?[\"']\s{0,4},\s{0,60}[\"']")
_LONGEST_TITLE = len("Prof")
_PARTICLES = frozenset("van von der den de del della di da dos du la le ten ter bin ibn al el st y e".split())
_STOPS = frozenset(
    """the a an and or by of for in on at to from with is are was this that these all any other others see
    none unknown anonymous various someone somebody nobody name names your you me us author authors
    contributor contributors maintainer team teams group project projects foundation inc inc. llc ltd
    ltd. corp corp. corporation company gmbh co. limited labs lab university institute college
    department community developers developer committee association consortium software systems system
    technologies technology solutions studio ide eclipse editor generator inkscape illustrator adobe
    photoshop microsoft google apache gnu linux debian ubuntu redhat intel nvidia amd ibm oracle mozilla
    facebook apple amazon sun netbeans intellij idea pycharm xcode phpstorm webstorm default version
    code file function method class module package library script tool program test tests plugin api url
    email date year title description string text type list array object null true false optional
    required copyright license based using hand default self user users admin root field value http
    https www service services manager engine hub builder operator recovery research aws kubernetes
    framework platform server""".split()
)
_NOT_USERS = frozenset(
    """later perf performance security docs doc test tests bug cleanup refactor windows linux mac macos msg
    message text string optional required all none everyone anyone unknown someone name username user
    yourname me you ldap issue feature api ui ux css html js python cpp java low high medium priority
    developer developers dev team group const optimization optimize wip nobody ci arg args expr todo note
    release upstream future hack remove fix""".split()
)


def find(source: Source) -> Iterator[Span]:
    """Yield the place of each name behind a mark."""
    for word in ("author", "maintain", "creator", "developer"):
        for at in find_all(source.low, word):
            yield from _at_word(source, at)
    for at in find_all(source.low, "by"):
        before = source.low[max(0, at - 14) : at]
        if before.endswith(_MADE) or (before.endswith(_TRAILERS) and source.low.startswith("by:", at)):
            match = _BY.match(source.text, at)
            if match:
                yield from _names(source, match.end(), least=2)
    if any(f"{mark}(" in source.text for mark in ("TODO", "FIXME", "XXX", "HACK")):
        for match in _TODO.finditer(source.text):
            name = match["name"]
            topic = not _NOT_USERS.isdisjoint(re.split(r"[-_.]", name.lower()))
            if not topic and name.count("_") < 2 and not name.isupper() and not re.search(r"[-.]\d", name):
                yield Span(match.start("name"), match.end("name"), "name")


def _at_word(source: Source, at: int) -> Iterator[Span]:
    """Names behind ``@author``, ``Author:`` and ``author = "..."``, whose word begins at ``at``."""
    text = source.text
    before = text[at - 1] if at else " "
    if before in "@\\":
        if match := _TAG.match(text, at):
            yield from _names(source, match.end(), least=1)
        return
    if match := _CODE.match(text, at):
        yield from _names(source, match.end(), least=1 if "__" in match.group() else 2, literal=True)
    elif not (before.isalnum() or before in "_$.") and (match := _LABEL.match(text, at)):
        yield from _names(source, match.end(), least=2)


def _names(source: Source, at: int, *, least: int, literal: bool = False) -> Iterator[Span]:
    """Yield names from ``at`` on, as far as commas and ``and`` lead to more of them."""
    text, following = source.text, _NEXT_LITERAL if literal else _NEXT
    for _ in range(50):
        match = _PERSON.match(text, at)
        if match is None:
            return
        run = match.group()
        if text.startswith("<", match.end()) and run[-2:-1] in {" ", "\t"}:
            run = run[:-2].rstrip()  # E<lt> and C<...> of POD
        length = _length_of_name(run, least if not _mail_follows(text, match.end()) else 1)
        if (
            not length
            or (literal and not _closes(text, at + length))
            or (not literal and _goes_on(text, at + length))
        ):
            return
        yield Span(at, at + length, "name")
        link = following.match(text, at + length)
        if link is None:
            return
        at, least = link.end(), 2


def _mail_follows(text: str, at: int) -> bool:
    return bool(
        re.compile(r"\s{0,3}[<(][^<>()\s]{1,64}(?:@|[ \[(]at[ \])])|\s{0,3}(?:<|&lt;|\()email").match(
            text, at
        )
    )


def _closes(text: str, at: int) -> bool:
    """Whether a literal ends here or goes on with an address."""
    return bool(re.compile(r"[ \t]{0,4}(?:[\"',;&]|<|\(|and\b)").match(text, at))


def _goes_on(text: str, at: int) -> bool:
    """Whether code goes on: a call, a member, a path."""
    return (
        text[at : at + 1] in {"(", "[", "=", "_", "/", "\\", "$", "{", "@", ":"} or text[at : at + 2] == "::"
    )


def _length_of_name(run: str, least: int) -> int:
    """Length of the leading part of ``run`` that is a name of at least ``least`` words, or 0.

    Capital letters and the particles of surnames go on with a name, all else ends it. Scripts without
    capitals count as capitals. With ``least`` of 1 a single small word stands for a nickname.
    """
    words = list(re.finditer(r"\S+", run))
    count = end = 0
    for word in words:
        bare = word.group().rstrip(".,'’-")
        initial = bare == "A" and (count or word.group() == "A.")
        if not bare or (bare.lower() in _STOPS and not initial):
            if bare.lower() in {"and", "on", "at", "in", "for", "from", "by", "with", "e", "y"} and count:
                break
            return 0
        if bare[0].isupper() or (not bare[0].islower() and not bare[0].isupper()):
            count, end = count + 1, word.end() if len(bare) == 1 else word.start() + len(bare)
            if word.group().endswith(".") and len(bare) > _LONGEST_TITLE:
                break  # the end of a sentence
        elif bare in _PARTICLES and word is not words[-1]:
            continue
        else:
            break
    if count >= least and (count > 1 or len(words[0].group().rstrip(".")) > 1):
        return end
    if least == 1 and len(words) == 1 and words[0].group().islower() and len(run.rstrip(".")) > 2:
        return len(run.rstrip(".,'’-"))
    return 0
