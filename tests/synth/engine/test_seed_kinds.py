"""Seeds of every kind: files, folders, pages, rows of other data sets; and what is said of broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from opencoder.errors import DataError, UserError
from synth.engine.seeds import digest_of, read_seeds
from synth.recipe.recipe import SeedRules

CODE = SeedRules(kind="code", languages=["python"], min_chars=40, max_chars=2000)
PAGE = SeedRules(kind="page", min_chars=40, max_chars=400)
FUNCTION = "def double(x):\n    '''Return twice the number.'''\n    return 2 * x\n"
ROWS = """
name: answers
version: 1
about: New answers to old questions.
source_set: answers
seeds: {kind: rows}
stages:
  - unique: {of: seed}
  - unique: {of: instruction}
  - ask: {prompt: again, take: {answer: rest}}
  - set: {output: "{{answer}}"}
"""


def test_a_folder_gives_functions_and_a_reason_for_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"import os\n\n\n{FUNCTION}\n\n{FUNCTION.replace('double', 'twice')}")
    (tmp_path / "b.py").write_text("def broken(:\n" + "    pass\n" * 20)
    (tmp_path / "c.py").write_text("x = 1\n")
    (tmp_path / "d.py").write_bytes(b"\xff\xfe" + b"x" * 100)
    (tmp_path / "e.js").write_text("function f(x) { return x + 1 }\n" * 5)
    (tmp_path / "notes.bin").write_text(FUNCTION)
    found = list(read_seeds([tmp_path], CODE))
    assert [unit.name for unit in found if not unit.reason] == ["double", "twice"]
    assert {unit.source.path: unit.reason for unit in found if unit.reason} == {
        "b.py": "does_not_parse",
        "c.py": "too_short",
        "d.py": "not_text",
        "e.js": "other_language",
    }
    assert all(len(unit.source.sha256) == 64 for unit in found if not unit.reason)
    before = digest_of(tmp_path)
    (tmp_path / "c.py").write_text("x = 2\n")
    assert digest_of(tmp_path) != before


def test_rows_of_jsonl_and_parquet_are_the_same_seeds(tmp_path: Path) -> None:
    rows = [
        {"content": FUNCTION, "language": "Python", "license": "MIT", "path": "a.py", "revision": "abc"},
        {
            "content": f"{FUNCTION}\n\n{FUNCTION.replace('double', 'twice')}" + "# end\n" * 400,
            "language": "python",
        },
    ]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet")
    for name in ("s.jsonl", "s.parquet"):
        units = list(read_seeds([tmp_path / name], CODE))
        assert [unit.text.splitlines()[0] for unit in units] == [
            "def double(x):",
            "def double(x):",
            "def twice(x):",
        ], name
        assert (units[0].source.license, units[0].source.revision) == ("MIT", "abc")


def test_pages_lose_what_belongs_to_the_site(tmp_path: Path) -> None:
    story = "Sorting is the art of putting things into an order that can be searched. " * 4
    menu = "<nav><a href='/'>Home</a><a href='/x'>Shop</a></nav><footer>All rights reserved.</footer>"
    page = f"<html><body>{menu}<h1>Sorting</h1><p>{story}</p></body></html>"
    (tmp_path / "p.jsonl").write_text(json.dumps({"text": page, "url": "https://example.org/p"}) + "\n")
    (unit,) = read_seeds([tmp_path / "p.jsonl"], PAGE)
    assert "putting things into an order" in unit.text
    assert "<p>" not in unit.text
    assert "Shop" not in unit.text
    assert unit.source.path == "https://example.org/p"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.jsonl", '{"text": "x"}\n{"txt": "y"}\n', "s.jsonl:2: no seed"),
        ("s.jsonl", '{"text": ', "s.jsonl:1: broken JSON"),
        ("s.csv", "a,b", "of no known kind"),
        ("none.jsonl", None, "no such file"),
    ],
)
def test_broken_seeds_are_told(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises((DataError, UserError), match=said):
        list(read_seeds([tmp_path / name], SeedRules(kind="code")))


def test_rows_of_other_data_sets_get_new_answers(teacher: Any, run_synth: Any, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(ROWS)
    (folder / "again.md").write_text("Answer this:\n\n{{instruction}}\n\nThe old answer was:\n\n{{output}}\n")
    rows: list[dict[str, Any]] = [
        {"instruction": "What is a stack?", "output": "A pile.", "tag": "x"},
        {
            "messages": [
                {"role": "user", "content": "What is a queue?"},
                {"role": "assistant", "content": "?"},
            ]
        },
        {"conversations": [{"from": "human", "value": "What is a heap?"}, {"from": "gpt", "value": "!"}]},
        {"instruction": "", "output": "Nothing was asked."},
        {"instruction": "What is a stack?", "output": "Again."},
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [
        "run",
        folder,
        "-i",
        source,
        "-o",
        tmp_path / "out",
        "--model",
        teacher.model,
        "--base-url",
        teacher.url,
    ]
    run_synth(*words)
    made = [json.loads(line) for line in (tmp_path / "out/rows.jsonl").read_text().splitlines()]
    assert [row["messages"][0]["content"] for row in made] == [
        "What is a stack?",
        "What is a queue?",
        "What is a heap?",
    ]
    assert all(len(row["messages"]) == 2 for row in made)
    assert "A pile." not in made[0]["messages"][1]["content"]
    rejects = [json.loads(line) for line in (tmp_path / "out/rejects.jsonl").read_text().splitlines()]
    assert [row["reason"] for row in rejects] == ["no_question", "duplicate"]
    source.write_text('{"instruction": 5}\n')
    done = run_synth(*words[:-4], "--model", teacher.model, "--base-url", teacher.url, check=2)
    assert "rows.jsonl:1: wrong row" in done.stderr
