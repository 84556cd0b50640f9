"""A Hugging Face folder as a starting point, and names there and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opencoder.errors import DataError, UserError
from train.export.load import check_start, hf_shape, hf_state
from train.export.names import hf_name, titan_sizes, to_hf, to_titan
from train.model.llama import Llama
from train.shape import Shape

Make = Callable[..., Llama]


@pytest.fixture
def saved(make_model: Make, to_transformers: Callable[[Llama], Any], tmp_path: Path) -> Callable[..., Path]:
    """Saves a model with ``transformers`` itself."""

    def save(model: Llama, **options: Any) -> Path:
        to_transformers(model).save_pretrained(tmp_path / "hf", **options)
        return tmp_path / "hf"

    return save


@pytest.mark.parametrize("size", ["1GB", "20KB"])
def test_all_parameters_under_their_names(
    shape: Shape, size: str, make_model: Make, saved: Callable[..., Path], state_of: Callable[..., Any]
) -> None:
    model = make_model(shape)
    folder = saved(model, max_shard_size=size)
    assert hf_shape(folder) == shape
    found = dict(hf_state(folder))
    wanted = {name: value for name, value in state_of(model).items() if name in found}
    assert len(found) == 3 + 9 * shape.layers
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name


@settings(deadline=None)
@given(heads=st.integers(1, 4), half=st.integers(1, 9), width=st.integers(1, 5))
def test_the_order_of_rows_there_and_back(heads: int, half: int, width: int) -> None:
    shape = Shape(
        layers=1, hidden=width, ffn=1, heads=heads, kv_heads=1, head_dim=2 * half, vocab=2, max_positions=8,
        rope_theta=1e4,
    )  # fmt: skip
    name = "layers.0.attention.qkv_linear.wq.weight"
    rows = torch.arange(heads * 2 * half * width).view(-1, width)
    turned = to_hf(name, rows, shape)
    assert torch.equal(to_titan(name, turned, shape), rows)
    # The pair (2i, 2i + 1) of each head stands at i and i + half.
    for head in range(heads):
        for i in range(half):
            at = head * 2 * half
            assert torch.equal(turned[at + i], rows[at + 2 * i])
            assert torch.equal(turned[at + half + i], rows[at + 2 * i + 1])


def test_no_parameter_is_forgotten(shape: Shape) -> None:
    names = {hf_name(name): size for name, size in titan_sizes(shape)}
    assert names == {name: tuple(weight.shape) for name, weight in Llama(shape).named_parameters()}


def test_a_run_starts_from_its_own_shape_only(
    small: Llama, saved: Callable[..., Path], tokenizer: Path
) -> None:
    folder = saved(small)
    check_start(folder, small.shape, tokenizer)
    check_start(folder, msgspec.structs.replace(small.shape, max_positions=64), tokenizer)
    with pytest.raises(UserError, match="160 rows in its embedding, the run 192; rows are not added or cut"):
        check_start(folder, msgspec.structs.replace(small.shape, vocab=192), tokenizer)
    with pytest.raises(UserError, match=r"another model than the run's: rope_theta 10000.0 instead of 5.0"):
        check_start(folder, msgspec.structs.replace(small.shape, rope_theta=5.0), tokenizer)


def test_damaged_folders(small: Llama, saved: Callable[..., Path]) -> None:
    folder = saved(small, max_shard_size="20KB")
    index = folder / "model.safetensors.index.json"
    whole = index.read_text()
    files = sorted(folder.glob("model-*.safetensors"))
    content = files[2].read_bytes()
    files[2].write_bytes(content[:-20])
    with pytest.raises(DataError, match=f"{files[2].name}: damaged"):
        list(hf_state(folder))
    files[2].unlink()
    with pytest.raises(DataError, match=f"{files[2].name}: no such file"):
        list(hf_state(folder))
    files[2].write_bytes(content)
    table = json.loads(whole)
    gone = files[2].name
    table["weight_map"] = {name: file for name, file in table["weight_map"].items() if file != gone}
    index.write_text(json.dumps(table))
    with pytest.raises(DataError, match=r"no model\.\S+ in its \d+ files of weights"):
        list(hf_state(folder))
    index.unlink()
    with pytest.raises(DataError, match=r"has neither model.safetensors nor"):
        list(hf_state(folder))


def test_models_that_are_no_plain_llama(small: Llama, saved: Callable[..., Path]) -> None:
    folder = saved(small)
    config = json.loads((folder / "config.json").read_text())
    for change, word in (
        ({"model_type": "qwen2"}, "qwen2"),
        ({"attention_bias": True}, "biases"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1.0}}, "llama3"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(UserError, match=word):
            list(hf_state(folder))
