"""Reading and splitting labels."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencoder.errors import DataError, UserError
from opencoder.records import Message
from opencoder.store import write_jsonl
from synth.record import SCHEMA, Provenance, Row, Seed
from synth.scorer.labels import Label, read_labels, split, to_label


def enough(num: int = 60) -> list[dict[str, Any]]:
    return [{"code": f"x{i} = {i}", "label": i % 6, "language": "python"} for i in range(num)]


def written(tmp_path: Path, rows: list[Any]) -> Path:
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("row", "text", "label"),
    [
        ({"text": "a", "label": 3}, "a", 3.0),
        ({"content": "a", "score": 2.5}, "a", 2.5),
        ({"code": "def f(): ...", "text": "Write f.", "label": 0}, "def f(): ...", 0.0),
        ({"code": "", "text": "prose", "label": 5}, "prose", 5.0),
        ({"messages": [{"role": "user", "content": "hi"}], "label": 1}, "hi", 1.0),
    ],
)
def test_a_row_of_any_shape_is_read(row: dict[str, Any], text: str, label: float) -> None:
    found = to_label({**row, "language": "Python"})
    assert (found.text, found.label, found.language) == (text, label, "python")


def test_records_of_a_run_are_read(tmp_path: Path) -> None:
    seed = Seed(dataset="the-stack", path="a/b.py", license="MIT")
    rows = [
        Row(
            messages=[Message("user", "q")],
            code=f"x = {i}",
            language="python",
            scores={"educational": i % 6},
            prov=Provenance(seeds=[seed]),
        )
        for i in range(60)
    ]
    path = tmp_path / "rows.jsonl.zst"
    write_jsonl(path, ({"schema": SCHEMA, **msgspec.to_builtins(row)} for row in rows))
    first = read_labels(path)[1]
    assert first == Label(text="x = 1", label=1, language="python", license="MIT", source="a/b.py")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"code": "x", "label": 6}, "from 0 to 5, not 6"),
        ({"code": "x", "label": -0.5}, "from 0 to 5, not -0.5"),
        ({"code": "x", "label": True}, "must be a number"),
        ({"code": "x", "score": "4"}, "`score` must be a number"),
        ({"code": "x"}, "`label` must be a number from 0 to 5, it is missing"),
        ({"code": " \n", "label": 2}, "no text"),
        ({"code": ["x"], "label": 2}, "`code` is list"),
        ({"schema": "synth/1", "code": "x"}, 'scores["educational"] must be'),
        ({"schema": "synth/1", "code": "x", "scores": {"educational": "high"}}, "scores"),
        ([1], "wrong row"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, row: Any, words: str) -> None:
    path = written(tmp_path, [*enough(), row])
    with pytest.raises(DataError) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{path}:61: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_that_teach_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="49 labels are too few"):
        read_labels(written(tmp_path, enough(49)))
    with pytest.raises(DataError, match="all labels are 3"):
        read_labels(written(tmp_path, [{**row, "label": 3} for row in enough()]))


def test_no_copy_is_on_both_sides(stdlib_functions: list[str]) -> None:
    labels = [Label(text=text, label=i % 6) for i, text in enumerate(stdlib_functions[:300])]
    copies = [Label(text=one.text, label=5 - one.label) for one in labels]
    spaced = [Label(text=one.text.replace("    ", "\t") + "\n\n", label=one.label) for one in labels]
    noted = [Label(text="# seen on a page\n" + one.text, label=one.label) for one in labels]
    train, out = split(labels + copies + spaced + noted, held_out=0.2, seed=1)
    long = {one.text for one in labels if len(one.text) > 600}
    assert len(long) > 50
    stems = [{one.text.replace("\t", "    ").removeprefix("# seen on a page\n").strip() for one in side}
             for side in (train, out)]  # fmt: skip
    exact = {one.text.strip() for one in labels} - {text.strip() for text in long}
    assert not stems[0] & stems[1] & {text.strip() for text in long}
    assert not {one.text for one in train} & {one.text for one in out}
    # A line more is much in a short text: there only copies count.
    assert len(stems[0] & stems[1] & exact) < 0.2 * len(exact)


def test_a_split_is_even_and_does_not_depend_on_the_order() -> None:
    generator = random.Random(3)
    labels = [
        Label(text=" ".join(generator.choices("abcdefghijklmnop", k=40)), label=label, language=language)
        for language, num in (("python", 600), ("go", 200))
        for label in (0, 1, 2, 3, 4, 5)
        for _ in range(num // (6 - label))
    ]
    train, out = split(labels, held_out=0.2, seed=5)
    assert len(train) + len(out) == len(labels)
    assert len(out) == pytest.approx(0.2 * len(labels), abs=2)
    whole = Counter((one.language, one.label) for one in labels)
    part = Counter((one.language, one.label) for one in out)
    assert all(part[key] == pytest.approx(0.2 * num, abs=2) for key, num in whole.items())
    shuffled = generator.sample(labels, len(labels))
    assert {one.text for one in split(shuffled, held_out=0.2, seed=5)[1]} == {one.text for one in out}
    assert {one.text for one in split(labels, held_out=0.2, seed=6)[1]} != {one.text for one in out}


def test_one_text_cannot_be_split() -> None:
    with pytest.raises(UserError, match="1 distinct texts leaves one side empty"):
        split([Label(text="x = 1", label=i % 6) for i in range(60)], held_out=0.2, seed=0)
