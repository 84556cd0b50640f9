"""E-mail addresses of people and lists.

Those of RFC 2606 (``example.com``, ``.test``, ``.invalid`` ...) and mailboxes that nobody reads
(``noreply@``) stay: they name no one. So does everything with ``@`` that is no address: SSH remotes,
package versions, scaled images, matrix products, labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from opencoder.pii.base import Source, Span, find_all

_LOCAL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-"
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}([A-Za-z]{2,18}?)(?:(?=E<gt>)|(?![A-Za-z0-9_-]))"
)
# Longest local part and domain of RFC 5321.
_MAX_LOCAL = 64
# Two-letter domains in use, less those that are rather the ending of a file name (.py, .so, .sh, .ps).
_TLDS = frozenset(
    """ac ad ae af ag ai al am ao ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by
    bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu
    fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gt gu gw gy hk hn hr ht hu id ie il im in
    io iq ir is it je jm jo jp ke kg kh ki km kn kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md
    me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa
    pe pf pg ph pk pl pm pn pr pt pw qa re ro rs ru rw sa sb sc sd se sg si sk sl sm sn sr ss st su sv
    sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf
    ws ye yt za zm zw aero asia app blog biz cat cloud club coop com company dev digital edu email
    engineering expert gov group guru health info int jobs life link live media mil mobi museum name net
    network ninja one online org page post pro rocks services shop site software solutions space store
    studio systems team tech technology tel today tools travel website wiki work works world xxx xyz
    zone""".split()
)
_RESERVED = re.compile(
    r"(?:^|\.)(?:example(?:\.(?:com|net|org|edu))?|test|invalid|localhost|local|localdomain)$"
)
_NOBODY = re.compile(
    r"(?:git|hg|svn|ssh|this|super|return|break|continue|self|no-?_?reply|do-?not-?reply|donotreply|nobody"
    r"|user|username|you|your|youremail|your[._-]?(?:e?mail|name)|e?mail|name|foo|someone|somebody|xxx+)"
)


def find(source: Source) -> Iterator[Span]:
    """Yield the place of each address, with the angle brackets right around it."""
    text = source.text
    for at in find_all(text, "@"):
        domain = _DOMAIN.match(text, at + 1, at + 256)
        if domain is None:
            continue
        # What is left of the sign is looked at backwards, a bounded way.
        window = text[max(0, at - _MAX_LOCAL - 1) : at].removesuffix("\\")
        escaped = text[at - 1 : at] == "\\"
        local = window[len(window.rstrip(_LOCAL)) :].lstrip(".-%+_")
        start = at - escaped - len(local)
        if text[start - 1 : start] == "\\" and local[:1] in {"n", "r", "t"}:  # of an escape
            start, local = start + 1, local[1:]
        if _is_address(local, domain) and not _is_remote(source, start, domain.end()):
            end = domain.end()
            if text[start - 1 : start] == "<" and text[end : end + 1] == ">":
                start, end = start - 1, end + 1
            yield Span(start, end, "email")


def _is_address(local: str, domain: re.Match[str]) -> bool:
    if not local or len(local) > _MAX_LOCAL or local.endswith((".", "%")) or "%" in local:
        return False
    tld = domain.group(1)
    # The sign of a matrix product stands before names with attributes: W@x.T.
    if tld.lower() not in _TLDS or not (tld.islower() or domain.group().isupper()):
        return False
    name, host = local.lower(), domain.group().lower()
    return not (_RESERVED.search(host) or _NOBODY.fullmatch(name) or "noreply" in name)


def _is_remote(source: Source, start: int, end: int) -> bool:
    """Whether it is part of an address of a machine, or of code in Python."""
    text = source.text
    after = text[end : end + 2]
    if after[:1] in {"(", "["} or (after[:1] == ":" and re.match(r":[\w~/.]", after)):
        return True
    if text[start - 1 : start] in {"/", "@"} or (start and text[start - 1].isalnum()):
        return True
    before = source.line_before(start, 100)
    if "://" in before[before.rfind(" ") + 1 :] and text[start - 1 : start] == ":":
        return True
    # Outside of strings and comments, @ multiplies.
    return (
        source.language == "python" and after[:1] in {")", " ", "\n", ","} and bool(_PRODUCT.search(before))
    )


# Prose has a blank before a parenthesis, a call has none.
_PRODUCT = re.compile(r"""^[^"'#]*(?:=\s*\(*|[\w\])]\(+)\s*$""")
