"""Run folders with checkpoints as torchtitan saves them, without torchtitan."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from train import checkpoints
from train.export.names import hf_name, titan_sizes, to_titan
from train.model.llama import Llama
from train.shape import Shape
from train.spec import Batch, Checkpoints, Data, RunSpec, Schedule, Source, write_spec

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def titan_state(model: Llama) -> dict[str, Any]:
    """The state dict of the same model in torchtitan, optimiser included."""
    state: dict[str, Any] = {}
    weights = model.state_dict()
    for name, _ in titan_sizes(model.shape):
        state[name] = to_titan(name, weights[hf_name(name)], model.shape).contiguous()
    if model.shape.tied:
        state["lm_head.weight"] = state["tok_embeddings.weight"]
    for name in list(state):
        state[f"optimizer.state.{name}.exp_avg"] = torch.zeros_like(state[name])
    return {**state, "train_state": {"step": torch.tensor(3)}, "optimizer.param_groups.lr": 0.1}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A byte-level tokenizer of 130 ids or fewer, with ChatML."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.decoder = decoders.Fuse()
    special = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]
    raw.train_from_iterator(
        ["def add(a, b): return a + b"] * 3, trainers.BpeTrainer(vocab_size=100, special_tokens=special)
    )
    folder = tmp_path / "tokenizer"
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return folder


@pytest.fixture
def make_run(tmp_path: Path, tokenizer: Path) -> Callable[..., Path]:
    """Makes a run folder with checkpoints of a model."""

    def make(model: Llama, steps: tuple[int, ...] = (3,), **changes: Any) -> Path:
        run = tmp_path / "run"
        fields: dict[str, Any] = {
            "name": "tiny/practical",
            "shape": model.shape,
            "tokenizer": str(tokenizer),
            "batch": Batch(sequences=4, seq_len=32, micro=4),
            "steps": 10,
            "schedule": Schedule(peak=1e-3, floor=1e-5, warmup_steps=2, stable_steps=4, decay_steps=4),
            "data": Data(sources=[Source(folder=str(tmp_path / "shards"), weight=3.0)]),
            "checkpoints": Checkpoints(every=3),
            **changes,
        }
        run.mkdir()
        write_spec(run, RunSpec(**fields))
        for step in steps:
            folder = run / "checkpoint" / f"step-{step}"
            save(titan_state(model), folder)
            checkpoints.record_crc(folder, 0)
            checkpoints.record_complete(folder, step=step, tokens=128 * step)
        return run

    return make


def save(state: dict[str, Any], folder: Path) -> None:
    from torch.distributed.checkpoint.state_dict_saver import save as save_checkpoint

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that there is one process only
        save_checkpoint(state, checkpoint_id=folder)


@pytest.fixture
def save_state() -> Callable[[dict[str, Any], Path], None]:
    return save


@pytest.fixture
def state_of() -> Callable[[Llama], dict[str, Any]]:
    return titan_state


@pytest.fixture
def small(make_model: Callable[[Shape, int], Llama]) -> Llama:
    """A grouped model, the form with the most that can go wrong."""
    shape = Shape(
        layers=2, hidden=48, ffn=80, heads=6, kv_heads=2, head_dim=20, vocab=160, max_positions=128,
        rope_theta=10000.0,
    )  # fmt: skip
    return make_model(shape, 5)
