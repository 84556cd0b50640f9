"""What a docstring says: its summary, its examples, since when the thing is there, whether to use it still.

Directives are Sphinx's (``.. versionadded::``, ``.. deprecated::``). A directive counts for the whole thing
only where it is not indented and stands before the first section: further down it is about a parameter or
about a detail.
"""

from __future__ import annotations

import inspect
import re

import msgspec

_SINCE = re.compile(r"^\.\. versionadded::[ ]*(?P<version>[^\s,;]+)", re.MULTILINE)
_DEPRECATED = re.compile(
    r"^(?:\.\. (?:deprecated|deprecated-removed|version-deprecated)::[ ]*"
    r"|Deprecated(?: since|:| in) ?(?:version )?|\*\*Deprecated\*\*:? ?|DEPRECATED[:.] ?)(?P<text>.*)",
    re.MULTILINE,
)
# "17.4.0 *convert*", "2.0 The ``x`` argument": not about the whole thing.
_OF_PARAMETER = re.compile(
    r"^(?:[\d.]+[a-z\d]*:?\s+)?(?:the |passing |use of )?[`*'\"]+\w+[`*'\"]+"
    r"(?:$|\s+(?:arg|param|keyword|is |as |option|in ))"
    r"|^(?:[\d.]+[a-z\d]*:?\s+)?\*\w+\*",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"^(?P<title>[A-Z][\w ]+)\n[-=~]{3,}[ ]*$", re.MULTILINE)
_GOOGLE = re.compile(
    r"^(?:Args|Arguments|Attributes|Examples?|Notes?|Parameters|Raises|Returns|See Also|Usage|Yields)"
    r":[ ]*$",
    re.MULTILINE,
)
_FIELD = re.compile(r"^:(?:param|type|returns?|rtype|raises?)\b", re.MULTILINE)
_SIGNATURE = re.compile(r"[A-Za-z_][\w.]*\(")
_TITLE = re.compile(r"\A[^\n]+\n[-=~]{3,}[ ]*\n+(?=.*[A-Za-z])", re.DOTALL)


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What a docstring says.

    Attributes:
        summary: Its first paragraph, on one line.
        examples: Its doctest blocks, dedented.
        since: The version that added the thing.
        deprecated: Why not to use it, on one line.
        signature: Where the docstring starts with one, as those of C functions do: ``(x, /, out=None)``.
    """

    summary: str = ""
    examples: list[str] = []
    since: str = ""
    deprecated: str = ""
    signature: str = ""


def read_docstring(doc: str) -> Marks:
    """Read a docstring, which need not be dedented."""
    doc = clean(doc)
    signature, body = _split_signature(doc)
    body = _TITLE.sub("", body)
    head = body[: _first_section(body)]
    since = _SINCE.search(body)
    reasons = (_reason(head, match) for match in _DEPRECATED.finditer(head))
    return Marks(
        summary=_summary(head or body),
        examples=_examples(body),
        since=since["version"] if since else "",
        deprecated=next((reason for reason in reasons if not _OF_PARAMETER.match(reason)), ""),
        signature=signature,
    )


def clean(doc: str) -> str:
    """Return a docstring without its indentation and the blank lines around it."""
    return inspect.cleandoc(doc).rstrip()


def _split_signature(doc: str) -> tuple[str, str]:
    """Take signatures off the start: C functions have them in their docstring, over one or more lines."""
    first = ""
    while match := _SIGNATURE.match(doc):
        end = _closing(doc, match.end() - 1)
        rest, _, after = doc[end:].partition("\n")
        if not end or (rest.strip() and not rest.strip().startswith("->")):
            break
        first = first or " ".join(doc[match.end() - 1 : end].split()) + rest.rstrip()
        doc = after.lstrip("\n")
    return first, doc


def _closing(text: str, start: int) -> int:
    """Return the index behind the bracket that closes the one at ``start``; 0 where there is none near."""
    depth = 0
    for index, sign in enumerate(text[start : start + 2000], start):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0:
            return index + 1
    return 0


def _first_section(doc: str) -> int:
    starts = [match.start() for pattern in (_UNDERLINE, _GOOGLE, _FIELD) if (match := pattern.search(doc))]
    return min(starts, default=len(doc))


def _summary(doc: str) -> str:
    for paragraph in re.split(r"\n\s*\n", doc):
        text = " ".join(paragraph.split())
        if text and not text.startswith(("..", ">>>")):
            return text
    return ""


def _examples(doc: str) -> list[str]:
    """Return the blocks that start with a prompt, each up to a blank line.

    Blocks with nothing but a blank line between them are one example: the later lines need the earlier ones.
    """
    blocks: list[list[str]] = []
    open_block = joined = False
    for line in doc.split("\n"):
        if line.lstrip().startswith(">>>") and not open_block:
            if joined:
                blocks[-1].append("")
            else:
                blocks.append([])
            open_block = True
        if open_block and not line.strip():
            open_block, joined = False, True
        elif open_block:
            blocks[-1].append(line)
        elif line.strip():
            joined = False
    return [inspect.cleandoc("\n".join(["", *block])) for block in blocks]


def _reason(doc: str, match: re.Match[str]) -> str:
    """Return the text of a directive with the indented or following lines of its paragraph."""
    lines = [match["text"].strip()]
    for line in doc[match.end() :].lstrip("\n").split("\n"):
        if not line.strip():
            break
        if match.group().startswith("..") and not line.startswith((" ", "\t")):
            break
        lines.append(line.strip())
    text = " ".join(filter(None, lines))
    return text if any(sign.isalnum() for sign in text) else "deprecated"
