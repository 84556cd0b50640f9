"""The sample: what is read, how much of each language, and that it is the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencoder.errors import DataError, UserError
from opencoder.store import write_jsonl
from train.bpe.documents import find_files, is_chinese, parse_size, read_texts
from train.bpe.sample import Sample, cut, plan_sample, targets, utf8_size

ZH = "函数返回排好序的列表。"


def _taken(sample: Sample) -> dict[str, int]:
    total = dict.fromkeys(sample.languages, 0)
    for language, text in sample.texts():
        total[language] += len(text.encode())
    assert total == {name: one.taken_bytes for name, one in sample.languages.items()}
    return total


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A thousand documents of 100 bytes of Python, a hundred of Rust, ten of Chinese."""
    rows = [{"text": f"{number:099}\n", "lang": "Python"} for number in range(1000)]
    rows += [{"text": f"{number:099}\n", "lang": "Rust"} for number in range(100)]
    rows += [{"text": ZH * 3 + "\n", "lang": "Markdown"} for _ in range(10)]
    write_jsonl(tmp_path / "corpus.jsonl.zst", rows)
    return tmp_path / "corpus.jsonl.zst"


def test_shares_follow_the_power_of_the_sizes(corpus: Path) -> None:
    sample = plan_sample([corpus], budget=12_000, alpha=0.3, chinese_share=0)
    sizes = {name: one.bytes for name, one in sample.languages.items()}
    assert sizes == {"Python": 100_000, "Rust": 10_000, "Chinese": 1000}
    wanted = {name: one.target for name, one in sample.languages.items()}
    assert wanted["Chinese"] == 1000
    assert wanted["Python"] / wanted["Rust"] == pytest.approx(10**0.3, rel=0.01)
    assert sum(wanted.values()) == pytest.approx(12_000, abs=3)
    # One document more or less of a hundred that are drawn, and never more than wanted.
    for name, num in _taken(sample).items():
        assert 0.7 * wanted[name] <= num <= wanted[name]


LANGUAGES = st.sampled_from(["Chinese", "C", "Go", "Java", "Lua"])


@given(
    sizes=st.dictionaries(LANGUAGES, st.integers(1, 10**9), min_size=1),
    budget=st.integers(100, 10**9),
    alpha=st.floats(0, 1),
    share=st.floats(0, 0.5),
)
def test_targets_fill_the_budget_and_take_no_more_than_there_is(
    sizes: dict[str, int], budget: int, alpha: float, share: float
) -> None:
    found = targets(sizes, budget, alpha, share)
    assert found.keys() == sizes.keys()
    assert all(0 <= found[name] <= sizes[name] for name in sizes)
    assert min(budget, sum(sizes.values())) - len(sizes) - 1 <= sum(found.values()) <= budget
    if "Chinese" in sizes:
        assert found["Chinese"] >= min(sizes["Chinese"], int(budget * share)) - 1


def test_chinese_has_a_least_share(corpus: Path) -> None:
    sample = plan_sample([corpus], budget=6000, alpha=1, chinese_share=0.1)
    assert sample.languages["Chinese"].target == 600
    assert plan_sample([corpus], budget=6000, alpha=1, chinese_share=0).languages["Chinese"].target < 60


def test_the_seed_decides_what_is_drawn(corpus: Path) -> None:
    def drawn(seed: int) -> list[str]:
        return [text for _, text in plan_sample([corpus], budget=12_000, seed=seed).texts()]

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_corpus_below_the_budget_is_taken_whole(corpus: Path) -> None:
    sample = plan_sample([corpus], budget=10**6)
    assert _taken(sample) == {"Python": 100_000, "Rust": 10_000, "Chinese": 1000}
    assert sum(map(len, sample.kept["Chinese"])) == 10 * (3 * len(ZH) + 1)


def test_no_single_document_makes_up_a_language(tmp_path: Path) -> None:
    (tmp_path / "big.c").write_text("é" * (1 << 20), encoding="utf-8")
    sample = plan_sample([tmp_path], budget=10**9)
    assert sample.languages["C"].bytes == 1 << 20
    assert _taken(sample) == {"C": 1 << 20}


def test_the_output_of_a_corpus_build_is_read_without_its_rejects(tmp_path: Path) -> None:
    for part, word in (("documents", "kept"), ("rejects", "gone")):
        (tmp_path / part).mkdir()
        table = pa.table({"id": ["1", "2"], "language": ["Go", None], "content": [word, ""]})
        pq.write_table(table, tmp_path / part / "part-0.parquet")
    assert list(read_texts(find_files([tmp_path]))) == [("Go", "kept")]


def test_folders_of_sources_and_files_of_text(tmp_path: Path) -> None:
    for name, content in {
        "b/x.py": b"x = 1\n",
        "a.rs": b"fn main() {}\n",
        "latin.py": b"\xe9\n",
        "photo.png": b"\x89PNG",
        ".git/y.py": b"y\n",
        "read.md": ZH.encode(),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "notes.txt").write_text("plain", encoding="utf-8")
    assert list(read_texts(find_files([tmp_path]))) == [
        ("Rust", "fn main() {}\n"),
        ("Python", "x = 1\n"),
        ("Text", "plain"),
        ("Chinese", ZH),
    ]
    assert list(read_texts(find_files([tmp_path / "notes.txt"]))) == [("Text", "plain")]


def test_what_is_chinese() -> None:
    assert is_chinese("# 快速排序\nreturn x")
    assert not is_chinese("return sorted(values)  # 排序")
    assert not is_chinese("これは日本語の文章です。漢字とかなが混ざっています。")
    assert not is_chinese("Привет, мир")


@given(text=st.text(st.characters(), max_size=60), most=st.integers(0, 200))
def test_cut_keeps_whole_characters(text: str, most: int) -> None:
    part, size = cut(text, most)
    assert size == utf8_size(part) <= most
    assert text.startswith(part) or any("\ud800" <= char <= "\udfff" for char in text)
    assert part == text or size > most - 4


def test_inputs_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        find_files([tmp_path / "none"])
    with pytest.raises(DataError, match=r"no \.parquet, \.jsonl or source files in this folder"):
        find_files([tmp_path])
    (tmp_path / "a.jsonl").write_text(json.dumps({"code": "x"}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl:1: no text: none of content, text is a string"):
        list(read_texts([tmp_path / "a.jsonl"]))
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"b\.parquet: not a Parquet file, or damaged"):
        list(read_texts([tmp_path / "b.parquet"]))
    pq.write_table(pa.table({"code": ["x"]}), tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"c\.parquet: no column content or text"):
        list(read_texts([tmp_path / "c.parquet"]))
    (tmp_path / "d.jsonl").write_text(json.dumps({"text": ""}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="there is no text in it"):
        plan_sample([tmp_path / "d.jsonl"], budget=10)
    with pytest.raises(UserError, match="--alpha must be from 0 to 1, not 2"):
        plan_sample([tmp_path / "d.jsonl"], budget=10, alpha=2)


def test_sizes() -> None:
    assert [parse_size(text) for text in ("200", "1.5MB", "2 GiB", "64kb")] == [
        200,
        1_500_000,
        2 << 30,
        64_000,
    ]
    for text in ("", "MB", "-1MB", "5 parsecs", "0"):
        with pytest.raises(UserError, match="is no size"):
            parse_size(text)
