"""``opencoder train tokenizer`` and ``opencoder train fertility`` from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclopts import App
from transformers import AutoTokenizer

from opencoder.errors import UserError
from opencoder.store import write_jsonl
from train.bpe.command import fertility, tokenizer
from train.tokens.fast import FastTokenizer


@pytest.fixture
def app() -> App:
    app = App(name="train", result_action="return_value")
    app.command(tokenizer)
    app.command(fertility)
    return app


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    source = Path(__file__).read_text(encoding="utf-8")
    rows = [{"text": source[start:], "lang": "Python"} for start in range(0, 2000, 100)]
    rows += [{"text": "函数返回排好序的列表。\n" * 30, "lang": "Markdown"}]
    write_jsonl(tmp_path / "corpus.jsonl", rows)
    return tmp_path / "corpus.jsonl"


def test_train_and_compare(
    app: App, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    app(["tokenizer", str(corpus), "-o", str(large), "--vocab-size", "700", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["vocab"], told["why_slow"]) == (700, "")
    assert told == json.loads((large / "report.json").read_text(encoding="utf-8"))
    assert told["sample"]["Chinese"]["taken_documents"] == 1
    assert len(AutoTokenizer.from_pretrained(large)) == 700

    app(["tokenizer", str(corpus), "-o", str(small), "--vocab-size", "300", "--sample-bytes", "20kB"])
    out = capsys.readouterr().out
    assert "Chinese" in out
    assert f"300 ids in {small}" in out

    app(["fertility", str(corpus), "--tokenizer", str(large), "--against", str(small), "--json"])
    rows = {
        (Path(row["tokenizer"]).name, row["language"]): row for row in json.loads(capsys.readouterr().out)
    }
    assert {language for _, language in rows} == {"Python", "Chinese", "all"}
    row, opened = rows["large", "Chinese"], FastTokenizer.open(large)
    text = "函数返回排好序的列表。\n" * 30
    assert (row["bytes"], row["tokens"]) == (len(text.encode()), opened.encode(text).size)
    assert row["tokens_per_line"] == row["tokens"] / 30
    assert row["bytes_per_token"] == pytest.approx(1 / row["tokens_per_byte"])
    assert rows["large", "all"]["bytes_per_token"] > rows["small", "all"]["bytes_per_token"]

    app(["fertility", str(corpus), "--tokenizer", str(large), "--against", str(small)])
    head, *lines = capsys.readouterr().out.splitlines()
    assert str(small) in head
    assert len(lines) == 3


def test_all_is_weighed_by_the_corpus(app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sample takes as much of both, so their mean by what was measured would be another."""
    rows = [{"text": "aaaa " * 200, "lang": "A"}] * 90 + [{"text": "zqxj " * 200, "lang": "B"}] * 10
    write_jsonl(tmp_path / "c.jsonl", rows)
    app(["tokenizer", str(tmp_path / "c.jsonl"), "-o", str(tmp_path / "t"), "--vocab-size", "275", "--json"])
    capsys.readouterr()
    arguments = ["--tokenizer", str(tmp_path / "t"), "--sample-bytes", "9000", "--json"]
    app(["fertility", str(tmp_path / "c.jsonl"), *arguments])
    found = {row["language"]: row for row in json.loads(capsys.readouterr().out)}
    weighed = 0.9 * found["A"]["tokens_per_byte"] + 0.1 * found["B"]["tokens_per_byte"]
    assert found["A"]["tokens_per_byte"] != pytest.approx(found["B"]["tokens_per_byte"])
    assert found["all"]["tokens_per_byte"] == pytest.approx(weighed)


def test_faults_are_told_in_one_line(app: App, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    for arguments, message in (
        ([str(corpus), "-o", str(out), "--vocab-size", "100"], "--vocab-size 100 is too small"),
        ([str(tmp_path / "none"), "-o", str(out)], "no such file or folder"),
        (["-o", str(out)], "no input"),
        ([str(corpus), "-o", str(out), "--sample-bytes", "lots"], "'lots' is no size"),
        ([str(corpus), "-o", str(corpus)], "is a file, not a folder"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            app(["tokenizer", *arguments])
        assert "\n" not in str(caught.value)
    assert not out.exists()
    app(["tokenizer", str(corpus), "-o", str(out), "--vocab-size", "300"])
    with pytest.raises(UserError, match="is there already"):
        app(["tokenizer", str(corpus), "-o", str(out), "--vocab-size", "300"])
