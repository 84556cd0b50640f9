"""A small tokenizer whose tokens can be read: the words of the tests are tokens of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from train.sft.encode import ChatEncoder
from train.sft.template import CHAT_TEMPLATE, END, START, SYSTEM
from train.tokens.format import TokenizerId

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", START, END]
WORDS = f"{SYSTEM} Be brief. Say hi in Chinese. 你好 世界 hello and bye. user system assistant two three"


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tokenizer.json`` and its configuration; no chat has the start token ``<s>``."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import TemplateProcessing
    from tokenizers.trainers import BpeTrainer

    made = Tokenizer(BPE())
    made.pre_tokenizer = ByteLevel(add_prefix_space=False)
    made.decoder = Decoder()
    alphabet = ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=900, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([WORDS] * 3 + list(WORDS.split()) * 3, trainer)
    # Encoding with special tokens would put one in front, as the loaders of other trainers do.
    made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    folder = tmp_path_factory.mktemp("tokenizer")
    made.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def encoder(tokenizer_folder: Path) -> ChatEncoder:
    """The encoder of that folder."""
    return ChatEncoder(tokenizer_folder)


@pytest.fixture(scope="session")
def identity(encoder: ChatEncoder) -> TokenizerId:
    """What manifests say of that folder."""
    return encoder.identity


@pytest.fixture(scope="session")
def peer(tokenizer_folder: Path) -> Any:
    """The same folder as ``transformers`` loads it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tokenizer_folder)


@pytest.fixture(scope="session")
def words_of(tokenizer_folder: Path) -> Callable[[Any], list[str]]:
    """Token ids as the texts of the tokens."""
    from tokenizers import Tokenizer

    read = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    return lambda ids: [read.decode([int(one)], skip_special_tokens=False) for one in ids]
