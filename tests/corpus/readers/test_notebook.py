"""Notebooks as scripts and markdown."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from corpus.document import Document, Unread
from corpus.readers.notebook import Notebooks, converted
from corpus.readers.plan import plan_inputs
from corpus.readers.read import read_shard


def notebook(*cells: tuple[str, Any], language: str | None = "python") -> bytes:
    metadata = {} if language is None else {"kernelspec": {"name": "k", "language": language}}
    made = [
        {"cell_type": kind, "source": source, "metadata": {}, "outputs": [{"text": "OUTPUT"}]}
        for kind, source in cells
    ]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


def convert(content: bytes, form: Notebooks = "script") -> list[Document | Unread]:
    return list(converted(Document(id="d/a.ipynb", content=content, path="d/a.ipynb", file=Path("f")), form))


def text(content: bytes, form: Notebooks = "script") -> str:
    (found,) = convert(content, form)
    assert isinstance(found, Document), found
    assert (found.id, found.path) == ("d/a.ipynb", "d/a." + ("md" if form == "markdown" else "py"))
    return found.content.decode()


def test_script_and_markdown() -> None:
    cells = (
        ("markdown", ["# Title\n", "\n", "Some `text`"]),
        ("code", "import os\nprint(1)\n"),
        ("code", "  \n"),
        ("raw", "raw"),
        ("code", 'doc = """\n```\n"""'),
    )
    assert text(notebook(*cells)) == (
        '# # Title\n#\n# Some `text`\n\nimport os\nprint(1)\n\n# raw\n\ndoc = """\n```\n"""\n'
    )
    assert text(notebook(*cells), "markdown") == (
        "# Title\n\nSome `text`\n\n```python\nimport os\nprint(1)\n```\n\nraw\n\n"
        '````python\ndoc = """\n```\n"""\n````\n'
    )


MAGIC = {
    "%matplotlib inline\nx = 1": "# %matplotlib inline\nx = 1\n",
    "!pip install a \\\n  b\nx = 1": "# !pip install a\n  # b\nx = 1\n",
    "files = !ls\ny = %time f()\nhelp?\n?help\nx.y??": (
        "# files = !ls\n# y = %time f()\n# help?\n# ?help\n# x.y??\n"
    ),
    "if x:\n    !ls\nelse:\n    %cd ..": "if x:\n    pass  # !ls\nelse:\n    pass  # %cd ..\n",
    "%%bash\nrm -rf x": "# %%bash\n# rm -rf x\n",
    "%%time\n%pwd\nx = 1": "# %%time\n# %pwd\nx = 1\n",
    # These are Python, whatever they look like.
    's = """\n%s\n!a\n""" % (\n1)\nx = (a\n  % b)\nassert a != b': (
        's = """\n%s\n!a\n""" % (\n1)\nx = (a\n  % b)\nassert a != b\n'
    ),
    "await x": "await x\n",
}


@pytest.mark.parametrize("cell", MAGIC)
def test_magic_becomes_a_comment(cell: str) -> None:
    script = text(notebook(("code", cell)))
    assert script == MAGIC[cell]
    ast.parse(script)


def test_code_that_is_wrong_stays() -> None:
    assert text(notebook(("code", "def f(:\n    a"), ("code", "x"))) == "def f(:\n    a\n\nx\n"


@pytest.mark.parametrize(
    ("language", "suffix", "script"),
    [
        ("R", "r", "# about\n\nx <- 1 %in% y\n"),
        ("julia", "jl", "# about\n\nx <- 1 %in% y\n"),
        ("C++", "cpp", "// about\n\nx <- 1 %in% y\n"),
        ("Brainfuck", "md", "about\n\n```brainfuck\nx <- 1 %in% y\n```\n"),
        (None, "py", "# about\n\nx <- 1 %in% y\n"),
    ],
)
def test_languages(language: str | None, suffix: str, script: str) -> None:
    (found,) = convert(notebook(("markdown", "about"), ("code", "x <- 1 %in% y"), language=language))
    assert isinstance(found, Document)
    assert (found.path, found.content.decode()) == (f"d/a.{suffix}", script)


def test_format_3() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Head"},
        {"cell_type": "code", "language": "python", "input": ["x = 1\n", "y = 2"], "outputs": []},
    ]
    data = json.dumps({"nbformat": 3, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}).encode()
    assert text(data) == "# ## Head\n\nx = 1\ny = 2\n"


def test_forms() -> None:
    data = notebook(("code", "x"))
    both = convert(data, "both")
    assert [(one.id, one.path) for one in both] == [("d/a.ipynb", "d/a.py"), ("d/a.ipynb//md", "d/a.md")]
    (dropped,) = convert(data, "drop")
    assert isinstance(dropped, Unread)
    assert (dropped.reason, dropped.num_bytes, dropped.path) == ("notebook", len(data), "d/a.ipynb")
    assert text(notebook()) == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"cells": 1}',
        b'{"cells": [1]}',
        b'{"cells": [{"cell_type": "code", "source": {"a": 1}}]}',
        b'{"cells": [{"cell_type": "code", "source": [1]}]}',
        b'{"worksheets": [{"cells": [[]]}]}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"cells": [{"cell_type": "code", "source": "\\ud800"}]}',
    ],
)
def test_broken_notebooks(content: bytes) -> None:
    (found,) = convert(content)
    assert isinstance(found, Unread)
    assert found.reason == "notebook"
    assert found.detail.startswith("f: not a notebook: ")


def test_notebooks_of_a_folder_and_of_rows(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ipynb").write_bytes(notebook(("code", "x")))
    (tmp_path / "in" / "b.ipynb").write_bytes(b"no")
    row = {"hexsha": "1", "max_stars_repo_path": "c/d.ipynb", "content": notebook(("code", "y")).decode()}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    plan = plan_inputs([str(tmp_path / "in"), str(tmp_path / "rows.jsonl")])
    found = [one for shard in plan.shards for one in read_shard(shard)]
    assert [(one.id, one.path, getattr(one, "content", None)) for one in found] == [
        ("in:a.ipynb", "a.py", b"x\n"),
        ("in:b.ipynb", "b.ipynb", None),
        ("rows.jsonl:1", "c/d.py", b"y\n"),
    ]
