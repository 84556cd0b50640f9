"""The Hugging Face folder of a tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opencoder.errors import UserError
from opencoder.files import make_folder
from opencoder.store import write_json
from train.bpe.format import BOS, EOS, IM_END, PAD, SPECIALS, UNK

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIALS_MAP = "special_tokens_map.json"
GENERATION = "generation_config.json"
REPORT = "report.json"
"""How it was trained, and its fertility; not read by others."""
FILES = (TOKENIZER, CONFIG, SPECIALS_MAP, GENERATION, REPORT)

POSITIONS = 8192
"""Positions of OpenCoder-8B, the longest of the released models."""


def check_free(folder: Path) -> None:
    """Refuse a place that is no folder or already holds a tokenizer.

    Raises:
        UserError: It does; the message names the file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, not a folder; choose another place with -o")
    for name in FILES:
        if (folder / name).exists():
            raise UserError(f"{folder / name} is there already; choose another folder with -o")


def write_folder(
    folder: Path, tokenizer: dict[str, Any], *, chat_template: str, max_length: int = POSITIONS
) -> None:
    """Write a complete folder; ``tokenizer.json`` comes last.

    ``bos`` is ``<s>``, ``eos`` is ``</s>``, ``pad`` is ``<pad>``, and none of them is added by itself. A chat
    ends with ``<|im_end|>`` or ``</s>``, so ``generation_config.json`` names both.

    Args:
        folder: Created if need be.
        tokenizer: Content of ``tokenizer.json``.
        chat_template: Jinja template of dialogues.
        max_length: ``model_max_length``.

    Raises:
        UserError: The folder already holds a tokenizer, or cannot be written.
        DependencyError: The disk is full.
    """
    check_free(folder)
    make_folder(folder)
    names = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD, "unk_token": UNK}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **names,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
        "added_tokens_decoder": {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"}
            for token in tokenizer["added_tokens"]
        },
        "chat_template": chat_template,
    }
    ids = {text: place for place, text in enumerate(SPECIALS)}
    generation = {
        "bos_token_id": ids[BOS],
        "eos_token_id": [ids[EOS], ids[IM_END]],
        "pad_token_id": ids[PAD],
    }
    write_json(folder / CONFIG, config)
    write_json(folder / SPECIALS_MAP, names)
    write_json(folder / GENERATION, generation)
    write_json(folder / TOKENIZER, tokenizer)
