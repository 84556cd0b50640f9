"""The first cleaning of a page, without a model: what belongs to the site goes, what the page says stays.

The paper (arXiv 2411.04905, section 4.1) has a model remove irrelevant context from pages before they become
seeds; what rules can tell is taken off here first, so that the model reads less. Blocks of code stay as
they are.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Literal

from synth.split.blocks import blocks

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FRONT_MATTER = re.compile(r"\A---\r?\n.*?\n(?:---|\.\.\.)\r?\n", re.DOTALL)
_ONLY_LINKS = re.compile(
    r"\s*(?:[-*+•|·]\s*|\d+\.\s+)?(?:!?\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\([^)]*\)[\s|·,•]*)+$"
)
_BADGES = re.compile(r"\s*(?:\[?!\[[^\]]*\]\([^)]*\)(?:\]\([^)]*\))?\s*)+$")
_MARKS = re.compile(r"^[\s>*+#•|·-]+|[\s*#|·]+$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MIN_LINKS = 4
"""Lines of nothing but links that follow one another are a menu from here on."""
_MIN_REPEATED, _REPEATS = 25, 3
"""Length and count from which a line that comes again is no content; its first place stays."""
_MAX_LINE = 300
_BLANKS = re.compile(r"\n(?:[ \t]*\n){2,}")


def clean_page(text: str, kind: Literal["html", "markdown", "text"]) -> str:
    """Drop menus, banners, lists of links, lines of the site and lines that repeat.

    Args:
        text: The page.
        kind: What it is written in; HTML becomes Markdown.

    Raises:
        DependencyError: Beautiful Soup is needed for HTML and not installed.
    """
    if kind == "html":
        from synth.split.html import to_markdown

        text = to_markdown(text)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if kind == "text":
        return _tidy(_without_site_lines(text, Counter()))
    text = _FRONT_MATTER.sub("", text)
    seen: Counter[str] = Counter()
    parts = []
    for is_code, part in _parts(text):
        if is_code:
            parts.append(part)
        else:
            content = _without_site_lines(_without_menus(_COMMENT.sub("", part)), seen)
            parts.append(_BLANKS.sub("\n\n", content))
    return "".join(parts).strip("\n") + "\n"


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """Yield fences by themselves, and what stands between them in one piece."""
    at = 0
    for block in blocks(text):
        if block.kind == "fence":
            yield False, text[at : block.start]
            yield True, text[block.start : block.end]
            at = block.end
    yield False, text[at:]


def _without_menus(text: str) -> str:
    """Drop runs of lines of nothing but links, and badges."""
    kept: list[str] = []
    run: list[str] = []
    for line in text.split("\n"):
        if len(line) < 2000 and "](" in line and _ONLY_LINKS.match(line):
            if not _BADGES.match(line):
                run.append(line)
            continue
        if line.strip() or not run:
            kept += [] if _num_links(run) >= _MIN_LINKS else run
            run = []
            kept.append(line)
        elif run:
            run.append(line)
    return "\n".join(kept + ([] if _num_links(run) >= _MIN_LINKS else run))


def _num_links(lines: list[str]) -> int:
    return sum(len(_LINK.findall(line)) for line in lines)


def _without_site_lines(text: str, seen: Counter[str]) -> str:
    """Drop lines of the site, and those that come again and again in ``seen`` or here."""
    lines = text.split("\n")
    indented = [line.startswith(("    ", "\t")) for line in lines]
    counts = Counter(line.strip() for line in lines)
    kept = []
    for line, is_code in zip(lines, indented, strict=True):
        bare = line.strip()
        if is_code or not bare:
            kept.append(line)
            continue
        if len(bare) <= _MAX_LINE and _is_site(_LINK.sub(r"\1", bare)):
            continue
        seen[bare] += 1
        if (
            len(bare) >= _MIN_REPEATED
            and counts[bare] >= _REPEATS
            and seen[bare] > 1
            and bare[0] not in "|-=*"
        ):
            continue
        kept.append(line)
    return "\n".join(kept)


def _is_site(line: str) -> bool:
    return bool(_site_lines().fullmatch(_MARKS.sub("", line)))


@functools.cache
def _site_lines() -> re.Pattern[str]:
    listing = resources.files("synth.split").joinpath("boilerplate.txt").read_text(encoding="utf-8")
    wanted = [line for line in listing.splitlines() if line and not line.startswith("#")]
    return re.compile("|".join(f"(?:{line})" for line in wanted), re.IGNORECASE)


def _tidy(text: str) -> str:
    return _BLANKS.sub("\n\n", text).strip("\n") + "\n"
