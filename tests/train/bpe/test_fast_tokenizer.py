"""Fast encoding: every byte string comes back, and every text gets the ids of the library."""

from __future__ import annotations

import json
import logging
import random
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from opencoder.errors import DataError, UserError
from train.bpe.format import SPECIALS, reserved
from train.tokens.encoder import identify, open_encoder
from train.tokens.fast import FastTokenizer
from train.tokens.probe import TEXTS

SPACES = ["  ", "\t", "\n", "\r\n", "\r", "\u00a0", "\u3000", "\x85", "\u2028", "\u200b", "\ufeff"]
WORDS = [
    "e\u0301",
    "中文",
    "Ⅷ",
    "½",
    "00",
    "x_1",
    "'s",
    "\U0001f600",
    "\u0b95\u0bbe",
    "def f(self):",
    "==",
    "!!",
]
PIECES = st.sampled_from([*SPACES, *WORDS, "<s>", "<|im_end|>", reserved(999)])
MIXED = st.lists(PIECES | st.text(max_size=8), max_size=30).map("".join)
relaxed = settings(max_examples=300, deadline=None)


@relaxed
@given(data=st.binary(max_size=200) | MIXED.map(str.encode))
@example(data=bytes(range(256)))
@example(data=b"\xed\xa0\x80 \xc0\x80 \xf4\x90\x80\x80 \xe4\xb8")
def test_every_byte_string_comes_back(fast: FastTokenizer, data: bytes) -> None:
    ids = fast.encode_bytes(data)
    assert fast.decode_bytes(ids) == data
    assert ids.dtype == np.uint32
    assert all(len(SPECIALS) <= place < fast.vocab for place in ids.tolist())


@relaxed
@given(text=MIXED)
def test_every_text_gets_the_ids_of_the_library(fast: FastTokenizer, library: Tokenizer, text: str) -> None:
    expected = library.encode(text).ids
    assert fast.encode(text).tolist() == expected
    assert fast.encode_bytes(text.encode()).tolist() == expected
    assert fast.count([text]) == [len(expected)]
    assert fast.decode(expected) == text
    assert library.decode(expected, skip_special_tokens=False) == text


def test_sources_and_probes_get_the_ids_of_the_library(fast: FastTokenizer, library: Tokenizer) -> None:
    assert fast.why_slow == ""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:60]
    texts = [*TEXTS, *(path.read_text(encoding="utf-8") for path in files)]
    texts += [text.replace("\n", "\r\n") for text in texts[:30]]
    expected = [encoding.ids for encoding in library.encode_batch(texts)]
    assert [ids.tolist() for ids in fast.encode_batch(texts)] == expected
    assert fast.count(iter(texts)) == [len(ids) for ids in expected]


def test_long_runs_that_break_the_engine_of_expressions(
    fast: FastTokenizer, library: Tokenizer, capfd: pytest.CaptureFixture[str]
) -> None:
    for text in (" " * 1_100_000 + "x", " " * 99_999 + "x", "a" * 200_000, "\n" * 99_999, " \n" * 60_000):
        assert fast.encode(text).tolist() == library.encode(text).ids
    assert capfd.readouterr().err == ""


def test_a_panic_of_the_engine_is_no_fault(
    fast: FastTokenizer,
    library: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("train.tokens.fast._LONG_RUN", 1 << 30)
    text = " " * 1_100_000 + "x"
    assert fast.encode(text).tolist() == library.encode(text).ids
    assert "panicked" in capfd.readouterr().err


def test_all_code_points_are_cut_alike(fast: FastTokenizer, library: Tokenizer) -> None:
    """The two engines of expressions know the same letters, marks, digits and spaces."""
    # Planes 4 to 13 are empty, 15 and 16 are for private use.
    planes = [*range(0x40000), *range(0xE0000, 0xE1000)]
    points = [chr(point) for point in planes if not 0xD800 <= point < 0xE000]
    random.Random(1).shuffle(points)
    for start in range(0, len(points), 4096):
        text = "".join(f"{point}x " for point in points[start : start + 4096])
        assert fast.encode(text).tolist() == library.encode(text).ids


def test_a_lone_surrogate_is_a_replacement_character(fast: FastTokenizer) -> None:
    expected = fast.encode("a\ufffdb").tolist()
    assert fast.encode("a\ud800b").tolist() == expected
    assert fast.encode("\ud83d\ude00").tolist() == fast.encode("\U0001f600").tolist()
    fast_again = FastTokenizer.open(fast.folder)
    fast_again._encode = fast_again._slow
    assert fast_again.encode("a\ud800b").tolist() == expected


def test_what_spells_a_special_token_stays_text(fast: FastTokenizer) -> None:
    for text in SPECIALS:
        ids = fast.encode(text).tolist()
        assert len(ids) > 1
        assert not set(ids) & set(fast.special.values())
        assert fast.decode(ids) == text
    assert fast.decode_bytes([fast.special["<|im_end|>"]]) == b"<|im_end|>"


def test_unknown_ids_are_named(fast: FastTokenizer) -> None:
    with pytest.raises(UserError, match="id 1000 is not of the tokenizer"):
        fast.decode_bytes([1000])


def test_shards_are_made_with_it(fast: FastTokenizer) -> None:
    assert isinstance(open_encoder(fast.folder), FastTokenizer)
    identity = identify(fast.folder)
    assert (identity.vocab, identity.eos, identity.special["<|fim_middle|>"]) == (1000, 2, 7)


def _normalises(content: dict[str, Any]) -> None:
    content["normalizer"] = {"type": "NFC"}


def _cuts_twice(content: dict[str, Any]) -> None:
    steps = content["pre_tokenizer"]["pretokenizers"]
    steps.insert(0, {"type": "Digits", "individual_digits": True})


def _swaps_merges(content: dict[str, Any]) -> None:
    merges = content["model"]["merges"]
    merges[0], merges[40] = merges[40], merges[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_normalises, "it normalises text"),
        (_cuts_twice, "its text is cut in several steps"),
        (_swaps_merges, "its ids do not follow the order of its merges"),
    ],
)
def test_what_tiktoken_cannot_do_is_left_to_the_library(
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[dict[str, Any]], None],
    why: str,
) -> None:
    changed = _changed(folder, tmp_path / "changed", change)
    with caplog.at_level(logging.WARNING, logger="opencoder"):
        opened = FastTokenizer.open(changed)
    assert opened.why_slow == why
    assert why in caplog.text
    same = Tokenizer.from_file(str(changed / "tokenizer.json"))
    same.encode_special_tokens = True
    assert [ids.tolist() for ids in opened.encode_batch(TEXTS)] == [same.encode(text).ids for text in TEXTS]


def test_a_difference_in_the_users_text_is_found(folder: Path, tmp_path: Path) -> None:
    def unreachable(content: dict[str, Any]) -> None:
        # "q7z" from "q" and "7z": the library joins "q" and "7" first and stops, tiktoken goes on to "q7z".
        vocab, merges = content["model"]["vocab"], content["model"]["merges"]
        for left, right in (("q", "7"), ("7", "z"), ("q", "7z")):
            vocab[left + right] = len(vocab)
            merges.append([left, right])
        for step in content["pre_tokenizer"]["pretokenizers"][:1]:
            step["pattern"]["Regex"] = r"\S+|\s+"

    changed = _changed(folder, tmp_path / "changed", unreachable)
    opened = FastTokenizer.open(changed, sample=["see q7z there"])
    assert "the two libraries differ on the text" in opened.why_slow
    same = Tokenizer.from_file(str(changed / "tokenizer.json"))
    assert opened.encode("see q7z there").tolist() == same.encode("see q7z there").ids


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tokenizer\.json: no such file"):
        FastTokenizer.open(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {}}', encoding="utf-8")
    with pytest.raises(DataError, match="not a tokenizer that `tokenizers` reads"):
        FastTokenizer.open(tmp_path)


def _changed(folder: Path, place: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    shutil.copytree(folder, place)
    path = place / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return place
