"""A tokenizer of a thousand ids, trained on sources of the standard library and a few Chinese lines."""

from __future__ import annotations

import ast
import json
import tokenize
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from train.bpe.folder import TOKENIZER, write_folder
from train.bpe.train import train_tokenizer
from train.sft.template import CHAT_TEMPLATE
from train.tokens.fast import FastTokenizer

CHINESE = "快速排序的平均时间复杂度是O(n log n)。函数返回排好序的列表，不改变原来的列表。\n"
SOURCES = [
    Path(module.__file__).read_text(encoding="utf-8") for module in (ast, json, tokenize) if module.__file__
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bpe") / "tokenizer"
    write_folder(place, train_tokenizer([*SOURCES, CHINESE * 20], 1000), chat_template=CHAT_TEMPLATE)
    return place


@pytest.fixture(scope="session")
def fast(folder: Path) -> FastTokenizer:
    return FastTokenizer.open(folder)


@pytest.fixture(scope="session")
def library(folder: Path) -> Tokenizer:
    """The ``tokenizers`` library itself, reading text that spells special tokens as text."""
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.encode_special_tokens = True
    return tokenizer
