"""The plain model against ``transformers``' Llama: logits, gradients, documents, greedy continuation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from train.model.generate import greedy
from train.model.llama import Llama, Norm, Rotary, document_mask, rotary_turns, rotate
from train.shape import Shape

Make = Callable[..., Llama]
Convert = Callable[[Llama], Any]


def ids(shape: Shape, rows: int, length: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(shape.vocab, (rows, length), generator=torch.Generator().manual_seed(seed))


def test_logits_and_gradients_equal_those_of_transformers(
    shape: Shape, make_model: Make, to_transformers: Convert
) -> None:
    model = make_model(shape)
    other = to_transformers(model)
    tokens = ids(shape, 2, 40)
    logits, wanted = model.logits(model(tokens)), other(tokens).logits
    assert wanted.abs().max() > 1.0
    torch.testing.assert_close(logits, wanted, rtol=1e-5, atol=1e-5)
    for some in (logits, wanted):
        functional.cross_entropy(some[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
    theirs = dict(other.named_parameters())
    assert theirs.keys() == dict(model.named_parameters()).keys()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, theirs[name].grad, rtol=1e-4, atol=1e-6)


def test_the_parameters_are_those_of_the_shape(shape: Shape) -> None:
    model = Llama(shape)
    assert sum(weight.numel() for weight in model.parameters()) == shape.params


def test_documents_in_one_sequence_are_as_if_alone(shape: Shape, make_model: Make) -> None:
    model = make_model(shape)
    first, second, third = ids(shape, 1, 11, 1), ids(shape, 1, 1, 2), ids(shape, 1, 17, 3)
    packed = torch.cat([first, second, third], dim=1)
    positions = torch.cat([torch.arange(part.shape[1]) for part in (first, second, third)]).unsqueeze(0)
    # A second row without a restart shares the batch.
    both = torch.cat([packed, packed]), torch.cat([positions, torch.arange(29).unsqueeze(0)])
    hidden = model(*both)
    alone = torch.cat([model(part) for part in (first, second, third)], dim=1)
    torch.testing.assert_close(hidden[:1], alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(hidden[1:], model(packed), rtol=1e-5, atol=1e-5)
    assert (hidden[0] - hidden[1]).abs().max() > 1e-2


def test_only_a_restart_makes_a_mask() -> None:
    whole = torch.arange(4).unsqueeze(0)
    assert document_mask(whole) is None
    mask = document_mask(torch.tensor([[0, 1, 0, 1]]))
    assert mask is not None
    wanted = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]], dtype=torch.bool)
    assert torch.equal(mask[0, 0], wanted)


def test_greedy_equals_transformers(shape: Shape, make_model: Make, to_transformers: Convert) -> None:
    model = make_model(shape)
    other = to_transformers(model)
    tokens = ids(shape, 2, 7)
    made = greedy(model, tokens, 30)
    for row, prompt in zip(made, tokens, strict=True):
        wanted = other.generate(
            prompt.unsqueeze(0), max_new_tokens=30, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        assert row == wanted[0, 7:].tolist()
    # A tied model of random weights repeats what it reads.
    assert shape.tied or len(set(made[0])) > 3


def test_greedy_ends_at_the_end_token(shape: Shape, make_model: Make) -> None:
    model = make_model(shape)
    tokens = ids(shape, 2, 7)
    free = greedy(model, tokens, 20)
    end = free[0][5]
    made = greedy(model, tokens, 20, {end})
    for row, whole in zip(made, free, strict=True):
        cut = whole.index(end) + 1 if end in whole else 20
        assert row == whole[:cut]


def test_both_pairings_are_one_rotation(shape: Shape) -> None:
    """Weights in torchtitan's order under the interleaved pairing give the same products."""
    generator = torch.Generator().manual_seed(3)
    q, k = (torch.randn(1, 9, 2, shape.head_dim, generator=generator) for _ in range(2))
    turns = rotary_turns(shape, torch.arange(9).unsqueeze(0))
    order = torch.arange(shape.head_dim).view(2, -1).T.flatten()
    kinds: list[tuple[torch.Tensor, torch.Tensor, Rotary]] = [
        (q, k, "half"),
        (q[..., order], k[..., order], "interleaved"),
    ]
    products = [
        torch.einsum("blhd,bmhd->bhlm", rotate(a, turns, kind), rotate(b, turns, kind))
        for a, b, kind in kinds
    ]
    torch.testing.assert_close(*products, rtol=1e-5, atol=1e-5)
    wrong = torch.einsum("blhd,bmhd->bhlm", rotate(q, turns, "interleaved"), rotate(k, turns, "interleaved"))
    assert (wrong - products[0]).abs().max() > 1e-2


def test_norms_and_positions_are_in_float32_whatever_the_weights(make_model: Make, shape: Shape) -> None:
    """In bfloat16 the whole is as near as that format allows, and large inputs do not spoil a norm."""
    model = make_model(shape)
    tokens = ids(shape, 1, 60)
    exact = model(tokens)
    rough = make_model(shape).to(torch.bfloat16)(tokens)
    assert rough.dtype == torch.bfloat16
    assert ((rough.float() - exact).norm() / exact.norm()) < 0.05
    norm = Norm(4, 1e-6).to(torch.float16)
    assert torch.equal(norm(torch.full((1, 4), 60000.0, dtype=torch.float16)), torch.ones(1, 4).half())


def test_autocast_keeps_the_stream_in_its_format(make_model: Make, shape: Shape) -> None:
    model = make_model(shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model(ids(shape, 1, 10))
    assert hidden.dtype == torch.bfloat16


def test_initial_weights_have_the_deviations_of_the_recipe() -> None:
    shape = Shape(
        layers=3, hidden=128, ffn=256, heads=4, kv_heads=4, head_dim=32, vocab=512, max_positions=64,
        rope_theta=1e4,
    )  # fmt: skip
    model = Llama(shape)
    model.initialise(torch.Generator().manual_seed(0))
    spread = {name: weight.std().item() for name, weight in model.named_parameters() if weight.dim() > 1}
    # A normal law cut at two deviations keeps 0.88 of its own.
    for name, std in spread.items():
        layer = int(name.split(".")[2]) + 1 if ".layers." in name else 0
        outward = name.endswith(("o_proj.weight", "down_proj.weight"))
        wanted = 0.88 * 0.02 / ((2 * layer) ** 0.5 if outward else 1.0)
        assert abs(std / wanted - 1) < 0.03, name
    losses = model.logits(model(ids(shape, 1, 64))).log_softmax(-1)
    assert abs(-losses.mean().item() - 6.24) < 0.3  # ln 512: it knows nothing yet
