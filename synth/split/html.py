"""The content of an HTML page as Markdown: headings, paragraphs, lists, tables, and code as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opencoder.errors import DependencyError

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_NO_CONTENT = frozenset(
    """head script style noscript template svg math iframe object embed canvas audio video form button input
    select textarea dialog nav footer aside menu""".split()
)
_ROLES = frozenset("navigation banner contentinfo search dialog alertdialog complementary menu".split())
_SITE = re.compile(
    r"(?:^|[-_ ])(?:cookies?|consent|gdpr|nav|navbar|navigation|menu|sidebar|breadcrumbs?|footer|masthead"
    r"|share|sharing|social|related|newsletter|subscribe|promo|advert|advertisement|ads?|banner|popup|modal|toc"
    r"|skip|pagination|pager|comments|disqus|feedback|headerlink|copybtn)(?:$|[-_ ])",
    re.IGNORECASE,
)
_KEPT = frozenset("html body main article".split())
_MOST = 0.5
"""An element that holds more of the text than this share is no part of the frame, whatever it is called."""
_BLOCKS = frozenset(
    """p div section article main table tr ul ol dl dt dd blockquote figure figcaption details summary address
    center header hr body html thead tbody tfoot caption fieldset""".split()
)
_HEADING = re.compile(r"h[1-6]$")
_LANGUAGE = re.compile(r"(?:language|lang|highlight-source|highlight|brush:?)[-: ](?P<name>[\w+#-]+)")
_CONTENT = frozenset("main article h1 pre".split())
_MENUS = frozenset("ul ol div p table".split())
_MIN_LINKS, _LINK_FRAC = 4, 0.8
_TICKS = re.compile(r"`{3,}")


def to_markdown(html: str) -> str:
    """Return the content of a page; menus, banners, scripts and lists of links are left out.

    Raises:
        DependencyError: Beautiful Soup is not installed.
    """
    try:
        from bs4 import BeautifulSoup
    except ModuleNotFoundError as error:
        raise DependencyError(
            "beautifulsoup4 is not installed; pages in HTML need it", repair="pip install 'opencoder[synth]'"
        ) from error
    soup = BeautifulSoup(html, "html.parser")
    _drop_frame(soup)
    return _Writer().write(soup)


def _drop_frame(soup: BeautifulSoup) -> None:
    for tag in soup.find_all(_NO_CONTENT):
        tag.extract()
    sizes = _measure(soup)
    total = sizes[id(soup)].text
    for tag in soup.find_all(True):
        size = sizes[id(tag)]
        if tag.name in _KEPT:
            continue
        frame = not size.has_content and size.text <= _MOST * total and _is_frame(tag)
        menu = tag.name in _MENUS and size.links >= _MIN_LINKS and size.linked >= _LINK_FRAC * size.text
        if frame or menu:
            tag.extract()


@dataclass(slots=True)
class _Size:
    """How much is in an element: characters, those in links, links, and whether it has a heading or code."""

    text: int = 0
    linked: int = 0
    links: int = 0
    has_content: bool = False


def _measure(soup: BeautifulSoup) -> dict[int, _Size]:
    """The sizes of all elements by ``id``, in one pass from the last to the first: parents stand first."""
    from bs4 import Tag

    every = [soup, *soup.descendants]
    sizes = {id(item): _Size() for item in every if isinstance(item, Tag)}
    for item in reversed(every):
        parent = sizes.get(id(item.parent))
        if not isinstance(item, Tag):
            if parent is not None:
                parent.text += len("".join(str(item).split()))
            continue
        size = sizes[id(item)]
        if item.name == "a":
            size.linked, size.links = size.text, size.links + 1
        size.has_content |= item.name in _CONTENT
        if parent is not None:
            parent.text += size.text
            parent.linked += size.linked
            parent.links += size.links
            parent.has_content |= size.has_content
    return sizes


def _is_frame(tag: Tag) -> bool:
    if tag.has_attr("hidden") or tag.get("aria-hidden") == "true" or str(tag.get("role")) in _ROLES:
        return True
    names = tag.get("class")
    marks = [*(names if isinstance(names, list) else [str(names or "")]), str(tag.get("id") or "")]
    return any(_SITE.search(mark) for mark in marks)


class _Writer:
    """Writes the elements of a page one after another; no recursion, for pages nest as deep as they like."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._line: list[str] = []
        self._lead = ""
        self._lists: list[str] = []
        self._tight = False

    def write(self, soup: BeautifulSoup) -> str:
        from bs4.element import NavigableString, PreformattedString, Tag

        stack: list[object] = [soup]
        while stack:
            item = stack.pop()
            if isinstance(item, _End):
                self._close(item.name)
            elif isinstance(item, Tag):
                if item.name == "pre":
                    self._code(item)
                    continue
                self._open(item)
                stack.append(_End(item.name))
                stack.extend(reversed(item.contents))
            elif isinstance(item, NavigableString) and not isinstance(item, PreformattedString):
                self._line.append(str(item))
        self._flush()
        return "".join(self._out).strip("\n") + "\n"

    def _open(self, tag: Tag) -> None:
        name = tag.name
        if _HEADING.match(name):
            self._flush()
            self._lead = "#" * int(name[1]) + " "
        elif name == "li":
            self._flush()
            depth = max(0, len(self._lists) - 1)
            self._lead = "  " * depth + ("1. " if self._lists and self._lists[-1] == "ol" else "- ")
            self._tight = True
        elif name in _BLOCKS:
            # A paragraph right in an item goes on its line.
            if not (name in {"p", "div"} and self._lead and not "".join(self._line).strip()):
                self._flush()
            if name in {"ul", "ol"}:
                self._lists.append(name)
        elif name == "br":
            self._line.append("\0")
        elif name in {"td", "th"} and "".join(self._line).strip():
            self._line.append(" | ")
        elif name in {"code", "tt", "kbd", "samp"}:
            self._line.append("`")

    def _close(self, name: str) -> None:
        if name in {"code", "tt", "kbd", "samp"}:
            self._line.append("`")
        elif name in {"ul", "ol"}:
            self._flush()
            if self._lists:
                self._lists.pop()
            self._tight = bool(self._lists)
        elif _HEADING.match(name) or name in _BLOCKS or name == "li":
            self._flush()
            self._tight = name in {"li", "tr"}
        if name == "table":
            self._tight = False

    def _flush(self) -> None:
        lines = " ".join("".join(self._line).split()).split("\0")
        text = "\n".join(line.strip() for line in lines).strip("\n").replace("``", "")
        self._line = []
        if not text:
            return
        self._block(self._lead + text, tight=self._tight)
        self._lead = ""

    def _block(self, text: str, *, tight: bool) -> None:
        if self._out:
            self._out.append("\n" if tight else "\n\n")
        self._out.append(text)

    def _code(self, tag: Tag) -> None:
        self._flush()
        self._lead = ""
        for line_end in tag.find_all("br"):
            line_end.replace_with("\n")
        code = tag.get_text().strip("\r\n")
        mark = max([2, *(len(run) for run in _TICKS.findall(code))]) + 1
        fence = "`" * mark
        self._block(f"{fence}{_language(tag)}\n{code}\n{fence}", tight=False)
        self._tight = False


class _End:
    """The end of an element, on the stack."""

    def __init__(self, name: str) -> None:
        self.name = name


def _language(tag: Tag) -> str:
    """The language that classes of the block, of its code or of what is around it name."""
    for one in (tag, tag.find("code"), tag.parent, tag.parent.parent if tag.parent else None):
        if one is None:
            continue
        names = one.get("class")
        match = _LANGUAGE.search(" ".join(names)) if isinstance(names, list) else None
        if match and match["name"] not in {"default", "none", "plaintext"}:
            return match["name"].lower()
    return ""
