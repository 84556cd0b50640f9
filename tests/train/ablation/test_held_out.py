"""The measure: the cross entropy of transformers, and only of what counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from train.ablation.held_out import held_out_loss, open_held_out
from train.ablation.plan import HeldKind
from train.bpe.folder import write_folder
from train.bpe.train import train_tokenizer
from train.builtin.library import functions, held_out
from train.builtin.rows import builtin_rows
from train.export.plain import plain_model
from train.model.llama import Llama
from train.model.measure import Row, row_losses
from train.sft.template import CHAT_TEMPLATE
from train.shape import Shape
from train.tokens.encoder import load_tokenizer

MakeModel = Callable[[Shape, int], Llama]
ToTransformers = Callable[[Llama], Any]


def by_hand(model: Any, row: Row) -> float:
    """The loss of one row alone, from the logits of transformers."""
    tokens = torch.from_numpy(row.tokens.astype(np.int64))
    with torch.no_grad():
        logits = model(tokens[None]).logits[0]
    wanted = torch.where(torch.from_numpy(row.mask[1:] != 0), tokens[1:], -100)
    return float(functional.cross_entropy(logits[:-1].double(), wanted, reduction="sum", ignore_index=-100))


def test_losses_of_rows_are_those_of_transformers(
    shape: Shape, make_model: MakeModel, to_transformers: ToTransformers, tmp_path: Path
):
    other = to_transformers(make_model(shape, 3))
    other.save_pretrained(tmp_path)
    draw = np.random.default_rng(7)
    rows = [
        Row(
            draw.integers(0, shape.vocab, length).astype(np.uint16),
            draw.integers(0, 2, length).astype(np.uint8),
        )
        # Enough tokens for several batches, in no order of length.
        for length in [*draw.integers(1, 128, 150), 1, 2, 128]
    ]
    found = row_losses(plain_model(tmp_path).model, rows)
    assert found == pytest.approx([by_hand(other, row) for row in rows], rel=1e-4, abs=1e-4)
    assert sum(found) / sum(row.scored for row in rows) > math.log(shape.vocab) / 2


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [found.source for found in functions()[:300]]
    folder = tmp_path_factory.mktemp("made") / "tokenizer"
    write_folder(folder, train_tokenizer(iter(texts), 600), chat_template=CHAT_TEMPLATE, max_length=512)
    return folder


def said(tokenizer: Path, row: Row) -> str:
    """What counts of a row, with its special tokens."""
    text: str = load_tokenizer(tokenizer).decode(
        row.tokens[row.mask != 0].tolist(), skip_special_tokens=False
    )
    return text


def test_what_counts_are_answers_and_whole_texts_of_functions_that_are_held_out(tokenizer: Path):
    kinds: tuple[HeldKind, ...] = ("sft1", "sft2", "educational", "code")
    held = open_held_out(kinds, tokenizer, seq_len=100_000, limit=30)
    for kind in ("sft1", "sft2"):
        answers = [one["messages"][1]["content"] for one in builtin_rows(kind, held=True)]
        chosen = [answers[at * len(answers) // 30] for at in range(30)]
        assert [said(tokenizer, row) for row in held[kind].rows] == [f"{text}<|im_end|>" for text in chosen]
        assert held[kind].num_bytes == sum(len(text.encode()) for text in chosen)
    sources = {f"{found.source}\n" for found in functions() if held_out(found.name)}
    texts = [said(tokenizer, row) for row in held["code"].rows]
    assert len(texts) == 30
    assert {text.removesuffix("</s>") for text in texts} <= sources
    assert all(text.endswith("</s>") for text in texts)
    trained = "".join(one["text"] for one in builtin_rows("educational"))
    assert not any(text in trained for text in sources)


def test_rows_are_cut_at_the_length_and_kept_only_with_something_to_count(tokenizer: Path):
    whole = open_held_out(("sft2",), tokenizer, seq_len=100_000, limit=40)["sft2"]
    cut = open_held_out(("sft2",), tokenizer, seq_len=120, limit=40)["sft2"]
    kept = [row for row in whole.rows if row.mask[1:120].any()]
    assert 0 < len(cut.rows) == len(kept) < len(whole.rows)
    assert all((mine.tokens == row.tokens[:120]).all() for mine, row in zip(cut.rows, kept, strict=True))
    assert cut.num_bytes < whole.num_bytes


def test_a_model_that_knows_nothing_has_the_loss_of_a_uniform_guess(
    tokenizer: Path, make_model: MakeModel, to_transformers: ToTransformers, tmp_path: Path
):
    shape = Shape(
        layers=1, hidden=16, ffn=16, heads=2, kv_heads=1, head_dim=8, vocab=640, max_positions=256,
        rope_theta=1e4,
    )  # fmt: skip
    model = make_model(shape, 0)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    to_transformers(model).save_pretrained(tmp_path)
    (loss,) = held_out_loss(tmp_path, open_held_out(("sft1",), tokenizer, 256, 20)).values()
    assert loss.per_token == pytest.approx(math.log(640), rel=1e-5)
    assert loss.per_byte == pytest.approx(math.log2(640) * sum(loss.tokens) / loss.num_bytes, rel=1e-5)
