"""From pretraining to a model that answers: train, export, load elsewhere, fine-tune from the export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torchtitan", reason="needs the extra `train`")

import torch

from opencoder.store import write_jsonl
from tests.support import training
from tests.support.training import make_spec, metrics, train
from train.export.checkpoint import Checkpoint
from train.export.export import ExportSettings, export
from train.sft.tokenize import ChatPlan, tokenize_chats
from train.spec import Batch, Checkpoints, Data, Schedule, Source, Start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ANSWERS = {
    "Add a and b.": "def add(a, b):\n    return a + b\n",
    "Say hello.": 'print("hello")\n',
    "用中文说你好。": 'print("你好")\n',
    "Is n even?": "def even(n):\n    return n % 2 == 0\n",
}
LENGTH = 128


@pytest.fixture(scope="module")
def exported(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub") / "base"
    found = export(whole, out, ExportSettings(dtype="float32"))
    assert found.params == training.SHAPE.params
    assert found.max_abs_diff is not None
    assert found.max_abs_diff < 1e-5
    assert found.argmax_equal == 1.0
    return out


@pytest.fixture(scope="module")
def trained_model(whole: Path) -> Any:
    """torchtitan's own model with the weights of the last checkpoint."""
    from train.titan.compat import prepare

    prepare("cpu")
    from train.titan.model import model_config

    model = model_config(training.SHAPE, device="cpu").build()
    model.init_weights()
    checkpoint = Checkpoint(whole / "checkpoint" / "step-24", training.SHAPE)
    model.load_state_dict({name: checkpoint.read(name) for name in checkpoint.sizes})
    return model.eval()


def hub_model(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def hub_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def test_the_export_has_the_logits_of_the_trained_model(exported: Path, trained_model: Any) -> None:
    tokens = torch.randint(16, training.VOCAB, (3, 100), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = trained_model(tokens), hub_model(exported)(tokens).logits
    assert float(ours.abs().max()) > 1
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)


def test_the_export_writes_what_the_trained_model_writes(exported: Path, trained_model: Any) -> None:
    tokens = torch.tensor([hub_tokenizer(exported).encode("import os\n\n\ndef ")])
    length = tokens.shape[1] + 40
    theirs = hub_model(exported).generate(tokens, max_length=length, do_sample=False, eos_token_id=-1)
    with torch.no_grad():
        while tokens.shape[1] < length:
            following = trained_model(tokens)[:, -1].argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, following], dim=1)
    assert theirs.tolist() == tokens.tolist()


@pytest.mark.parametrize("form", ["packed", "padded"])
def test_fine_tuning_from_the_export_learns_a_small_set_by_heart(
    form: str, data: Path, whole: Path, exported: Path, tmp_path: Path
) -> None:
    rows = [
        {"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]}
        for ask, answer in ANSWERS.items()
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    tokenize_chats(ChatPlan([tmp_path / "rows.jsonl"], tmp_path / "shards", data / "tokenizer"))
    spec = make_spec(
        data,
        steps=80,
        batch=Batch(sequences=4, seq_len=LENGTH, micro=4),
        schedule=Schedule(
            peak=1e-2, floor=1e-3, warmup_steps=4, stable_steps=46, decay_steps=30, decay="cosine"
        ),
        data=Data(sources=[Source(folder=str(tmp_path / "shards"))], form=form),  # type: ignore[arg-type]
        start=Start(kind="hf", path=str(exported)),
        checkpoints=Checkpoints(every=80),
    )
    lines = train(tmp_path / "sft", spec)
    assert lines[0]["loss"] > 2
    assert lines[-1]["loss"] < 0.02
    export(tmp_path / "sft", tmp_path / "model", ExportSettings(dtype="float32"))
    model, tokenizer = hub_model(tmp_path / "model"), hub_tokenizer(tmp_path / "model")
    for ask, answer in ANSWERS.items():
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": ask}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )["input_ids"]
        out = model.generate(prompt, max_new_tokens=60, do_sample=False)
        said = tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True)
        assert said == answer
    assert metrics(whole)  # the base run is untouched
