"""Sections of pages, and the cleaning before: code stays whole and as it is, the frame of the site goes."""

from __future__ import annotations

import re
from random import Random

import pytest

from synth.split.clean import clean_page
from synth.split.page import split_page

WORDS = "tree sort value index branch queue graph merge table result input output".split()
LINES = "x = 1\n" * 200
CODE = "def f(x):\n    # no heading\n\n    return sorted(x)\n\n\n## nor this\n"


def prose(seed: Random, sentences: int) -> str:
    return " ".join(" ".join(seed.choices(WORDS, k=9)).capitalize() + "." for _ in range(sentences))


def page(seed: Random) -> str:
    parts = [prose(seed, 2)]
    for _ in range(12):
        kind = seed.randrange(4)
        if kind == 0:
            parts.append("#" * seed.randrange(1, 5) + " " + prose(seed, 1)[:20].strip())
        elif kind == 1:
            mark = seed.choice(["```", "~~~~"])
            parts.append(f"{mark}python\n{CODE}{mark}")
        elif kind == 2:
            parts.append(prose(seed, seed.randrange(1, 12)))
        else:
            parts.append(f"{prose(seed, 1)[:15].strip()}\n{seed.choice(['===', '---'])}")
    return "\n\n".join(parts) + "\n"


def test_no_fence_is_cut_and_nothing_is_lost() -> None:
    for number in range(300):
        text = page(Random(number))
        found = split_page(text, "markdown", min_chars=0, max_chars=400)
        assert not found.dropped
        at = 0
        for unit in found.units:
            assert text[unit.start : unit.start + len(unit.text)] == unit.text
            assert not text[at : unit.start].strip(), "words between units"
            at = unit.start + len(unit.text)
            assert len(unit.text) <= 400
            assert (
                unit.text.count("def f(x)") == unit.text.count("## nor this") == unit.text.count("python\n")
            )
        assert not text[at:].strip()


def test_headings_are_the_context() -> None:
    text = f"intro\n\n# A\n\n{'a ' * 40}\n\n## B\n\n{'b ' * 40}\n\n### C\n\nc c\n\nD\n===\n\nd d\n"
    found = split_page(text, "markdown", min_chars=0, max_chars=110)
    assert [(unit.name, unit.context.split("\n")) for unit in found.units] == [
        ("", [""]), ("A", [""]), ("B", ["A"]), ("D", [""]),
    ]  # fmt: skip
    assert "### C" in found.units[2].text
    assert len(split_page(text, "markdown", min_chars=0).units) == 1


def test_long_paragraphs_are_cut_and_long_fences_left_out() -> None:
    text = f"# A\n\n{prose(Random(1), 60)}\n\n```\n{LINES}```\n"
    found = split_page(text, "markdown", min_chars=0, max_chars=500)
    assert len(found.units) > 5
    assert found.dropped == {"too_long": 1}
    assert all("```" not in unit.text and unit.context in {"", "A"} for unit in found.units)
    plain = split_page(prose(Random(2), 60) + "\n\n" + prose(Random(3), 2), "text", max_chars=500)
    assert all(unit.language == "text" and len(unit.text) <= 500 for unit in plain.units)


@pytest.mark.parametrize("text", ["", "\n", "```", "```\n", "#", "---", "\ufeff", "# \n\n\n", "- ```py\n  x"])
def test_odd_pages(text: str) -> None:
    for kind in ("markdown", "text"):
        found = split_page(text, kind, min_chars=1)  # type: ignore[arg-type]
        assert all(unit.text in text for unit in found.units)
        clean_page(text, kind)  # type: ignore[arg-type]


HTML = """<html><head><title>T</title><script>var tracking = 1;</script><style>p {{}}</style></head>
<body class="has-sidebar"><nav><a href="#">Home</a><a href="#">Docs</a></nav>
<div id="cookie-banner">We use cookies to improve. <button>OK</button></div>
<div class="content"><h1>How to sort</h1>
<p>Sorting   is <b>easy</b> with <code>sorted</code>.</p>
<div class="highlight-python"><pre><code><span>{code}</span></code></pre></div>
<h2>More</h2><ul><li>one</li><li><p>two</p><ul><li>deep</li></ul></li></ul>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
<ul class="x"><li><a>Merge sort</a></li><li><a>Heap sort</a></li><li><a>Radix</a></li><li><a>Tim</a></li></ul>
<p>Share this on Twitter</p><p>See <a href="u">the manual</a> for &lt;more&gt;.</p></div>
<div class="sidebar">Popular tags</div><footer>© 2020 Somebody</footer></body></html>"""


def test_html_becomes_the_content_as_markdown() -> None:
    code = CODE + "```\n"
    text = clean_page(HTML.format(code=code.replace("<", "&lt;")), "html")
    assert text == (
        "# How to sort\n\nSorting is easy with `sorted`.\n\n"
        f"````python\n{code.rstrip(chr(10))}\n````\n\n"
        "## More\n- one\n- two\n  - deep\n\na | b\n1 | 2\n\nSee the manual for <more>.\n"
    )
    found = split_page(HTML.format(code=code), "html", min_chars=1, max_chars=140)
    assert [unit.name for unit in found.units] == ["How to sort", "More"]
    assert found.units[0].language == "markdown"


def test_deep_html_is_read() -> None:
    found = split_page("<div>" * 5000 + "some words" + "</div>" * 5000, "html", min_chars=1)
    assert [unit.text for unit in found.units] == ["some words"]


SITE = [
    "Accept all cookies",
    "This website uses cookies to improve your experience.",
    "© 2024 Acme Inc.",
    "Privacy Policy",
    "Sign up for our newsletter",
    "Log in",
    "Share on Facebook",
    "Edit this page on GitHub",
    "Was this page helpful?",
    "Table of contents",
    "Back to top",
    "Next »",
    "Copy code",
    "Advertisement",
    "Related articles",
    "Leave a comment",
    "Read more",
    "Powered by Hugo",
    "5 min read",
    "All rights reserved.",
    "版权所有 2020 某公司",
    "返回顶部",
    "上一篇:排序",
]
KEPT = [
    "Next we sort the list.",
    "Copy the code into a file.",
    "Share the lock between threads.",
    "Home is where `~` points.",
    "Log in to the server with ssh.",
    "The cookie is read by the browser and stored.",
    "x",
    "Loading a file takes time.",
    "Contents of the file are hashed.",
    "接下来我们对列表排序。",
    "Example:",
    "Registers hold values.",
]


def test_lines_of_the_site_go_and_content_stays() -> None:
    seed = Random(4)
    for _ in range(200):
        lines = [(line, True) for line in seed.sample(KEPT, 6)] + [
            (line, False) for line in seed.sample(SITE, 5)
        ]
        seed.shuffle(lines)
        for kind in ("markdown", "text"):
            text = clean_page("\n\n".join(line for line, _ in lines), kind)  # type: ignore[arg-type]
            assert [line for line in text.split("\n") if line] == [line for line, kept in lines if kept]


def test_code_in_markdown_is_untouched() -> None:
    block = "```text\nLog in\nCopy\n<!-- x -->\n\n\n\n- [a](b)\n- [a](b)\n- [a](b)\n- [a](b)\n```\n"
    indented = "    Log in\n\tCopy\n"
    menu = "- [One](a)\n- [Two](b)\n\n- [Three](c)\n- [Four](d)\n"
    badge = "[![build](x.svg)](y)\n"
    text = f"---\ntitle: x\n---\n{badge}# A\n\n<!-- gone -->\n{menu}\nwords\n\n{indented}\n{block}"
    cleaned = clean_page(text, "markdown")
    assert block in cleaned
    assert indented in cleaned
    assert not re.search(r"title: x|build|gone|One|Four", cleaned)
    assert "# A" in cleaned
    repeated = "\n\n".join(["This very line comes again and again.", "words"] * 4)
    assert clean_page(repeated, "text").count("again and again") == 1
