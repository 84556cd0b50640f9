"""Training: ids, digits, determinism, small and large vocabularies; the folder in ``transformers``."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from opencoder.errors import UserError
from train.bpe.folder import FILES, REPORT, TOKENIZER, write_folder
from train.bpe.format import SMALLEST_VOCAB, SPECIALS
from train.bpe.train import train_tokenizer
from train.sft.template import CHAT_TEMPLATE
from train.tokens.bytelevel import byte_alphabet
from train.tokens.fast import FastTokenizer

CHAT = [
    {"role": "user", "content": "写一个函数 <|im_end|>"},
    {"role": "assistant", "content": "def f(): ..."},
]

TRAIN = """
import ast, hashlib, json, pathlib
from train.bpe.train import train_tokenizer
text = pathlib.Path(ast.__file__).read_text(encoding="utf-8")
print(hashlib.sha256(json.dumps(train_tokenizer(text.split("\\n\\n"), 1500)).encode()).hexdigest())
"""


def test_ids_are_special_tokens_then_bytes_then_merges(library: Tokenizer) -> None:
    content = json.loads(library.to_str())
    vocab = content["model"]["vocab"]
    assert [token["content"] for token in content["added_tokens"]] == list(SPECIALS)
    assert [token["id"] for token in content["added_tokens"]] == list(range(16))
    assert sorted(vocab[char] for char in byte_alphabet()) == list(range(16, 272))
    assert [vocab["".join(pair)] for pair in content["model"]["merges"]] == list(range(272, 1000))
    assert content["normalizer"] is None


def test_special_tokens_lie_where_the_paper_has_them(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.convert_tokens_to_ids(["<unk>", "<s>", "</s>", "<pad>"]) == [0, 1, 2, 3]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 3)
    assert tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>", "<|fim_prefix|>"]) == [4, 5, 6]


def test_digits_stay_single_and_words_do_not_cross_lines(fast: FastTokenizer) -> None:
    assert fast.encode("1234567890").size == 10
    assert fast.encode("１２").size == 6  # full-width digits: three bytes each
    tokens = [fast.decode_bytes([place]) for place in range(16, fast.vocab)]
    for raw in tokens:
        text = raw.decode("utf-8", "ignore")
        assert sum(char.isdigit() for char in text) <= 1
        assert not (any(map(str.isalpha, text)) and "\n" in text)


def test_chinese_is_learned(fast: FastTokenizer) -> None:
    text = "快速排序的平均时间复杂度"
    assert fast.encode(text).size < len(text)


def test_equal_texts_give_equal_files_in_every_process() -> None:
    found = set()
    for seed, threads in (("1", "1"), ("2", "2")):
        own = {"PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads, "PYTHONPATH": ":".join(sys.path)}
        run = subprocess.run(
            [sys.executable, "-P", "-c", TRAIN],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(run.stdout)
    assert len(found) == 1


def test_bytes_alone_are_a_tokenizer(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", train_tokenizer(["some text"], SMALLEST_VOCAB), chat_template=CHAT_TEMPLATE)
    opened = FastTokenizer.open(tmp_path / "t")
    assert (opened.vocab, opened.why_slow) == (272, "")
    assert opened.encode("naïve").size == 6
    with pytest.raises(UserError, match="271 is too small: 16 special tokens and 256 bytes make 272"):
        train_tokenizer(["some text"], SMALLEST_VOCAB - 1)


def test_a_sample_that_is_too_small_fills_with_reserved_ids(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="opencoder"):
        content = train_tokenizer(["ab ab ab cd cd"], 600)
    learned = SMALLEST_VOCAB + len(content["model"]["merges"])
    assert f"has pairs for {learned} ids only; the last {600 - learned} are reserved" in caplog.text
    write_folder(tmp_path / "t", content, chat_template=CHAT_TEMPLATE)
    opened = FastTokenizer.open(tmp_path / "t")
    assert (opened.vocab, opened.why_slow) == (600, "")
    assert len(AutoTokenizer.from_pretrained(tmp_path / "t")) == 600
    ids = opened.encode("<|reserved_599|> ab")
    assert ids.max() < learned
    assert opened.decode(ids) == "<|reserved_599|> ab"
    assert opened.decode([599]) == "<|reserved_599|>"


def test_the_folder_is_whole_for_transformers(folder: Path, fast: FastTokenizer) -> None:
    assert {path.name for path in folder.iterdir()} == {*FILES} - {REPORT}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "def f(x):\n\treturn x  # 中文\r\n"
    assert tokenizer(text)["input_ids"] == fast.encode(text).tolist()
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.model_max_length == 8192
    assert len(tokenizer) == tokenizer.vocab_size == 1000
    generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    assert generation == {"bos_token_id": 1, "eos_token_id": [2, 5], "pad_token_id": 3}


def test_the_chat_template_applies(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(CHAT, tokenize=False)
    assert text.startswith("<|im_start|>system\nYou are OpenCoder")
    assert text.endswith("<|im_start|>assistant\ndef f(): ...<|im_end|>\n")
    ids = tokenizer.apply_chat_template(CHAT[:1], add_generation_prompt=True)["input_ids"]
    assert ids.count(4) == 3
    assert ids[0] == 4


def test_a_tokenizer_is_never_overwritten(folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
    with pytest.raises(UserError, match=r"tokenizer\.json is there already; choose another folder with -o"):
        write_folder(folder, content, chat_template="")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, not a folder"):
        write_folder(tmp_path / "file", content, chat_template="")
