"""The loss in pieces equals the loss in one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from train.model.loss import chunked_cross_entropy


def case(
    rows: int, seed: int, ignored: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(2, rows, 24, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(50, 24, generator=generator).to(dtype).requires_grad_()
    labels = torch.randint(50, (2, rows), generator=generator)
    labels[torch.rand(2, rows, generator=generator) < ignored] = -100
    return hidden, weight, labels


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 33),
    chunk=st.integers(1, 70),
    seed=st.integers(0, 1000),
    ignored=st.sampled_from([0.0, 0.5, 1.0]),
    factor=st.sampled_from([1.0, 0.01]),
)
def test_value_and_gradients(rows: int, chunk: int, seed: int, ignored: float, factor: float) -> None:
    hidden, weight, labels = case(rows, seed, ignored, torch.float32)
    loss, count = chunked_cross_entropy(hidden, weight, labels, chunk=chunk)
    found = torch.autograd.grad(loss * factor, [hidden, weight])
    logits = functional.linear(hidden, weight)
    plain = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
    wanted = torch.autograd.grad(plain * factor, [hidden, weight])
    assert count == (labels != -100).sum()
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-5)
    for mine, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_bfloat16_weights_get_bfloat16_gradients_summed_in_float32() -> None:
    hidden, weight, labels = case(64, 0, 0.1, torch.bfloat16)
    loss, _ = chunked_cross_entropy(hidden, weight, labels, chunk=8)
    d_hidden, d_weight = torch.autograd.grad(loss, [hidden, weight])
    assert loss.dtype == torch.float32
    assert (d_hidden.dtype, d_weight.dtype) == (torch.bfloat16, torch.bfloat16)
    exact, double = hidden.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    plain = functional.cross_entropy(
        functional.linear(exact, double).flatten(0, 1), labels.flatten(), reduction="sum"
    )
    wanted = torch.autograd.grad(plain, [exact, double])
    assert abs(loss.item() / plain.item() - 1) < 5e-3
    for mine, other in zip((d_hidden, d_weight), wanted, strict=True):
        assert (mine.double() - other).norm() / other.norm() < 1e-2


def test_frozen_parts_get_no_gradient() -> None:
    hidden, weight, labels = case(9, 0, 0.0, torch.float32)
    loss, _ = chunked_cross_entropy(hidden.detach(), weight, labels, chunk=4)
    loss.backward()
    assert weight.grad is not None
    loss, _ = chunked_cross_entropy(hidden, weight.detach(), labels, chunk=4)
    loss.backward()
    assert hidden.grad is not None


def test_float32_weights_under_autocast() -> None:
    hidden, weight, labels = case(16, 0, 0.0, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = chunked_cross_entropy(hidden.detach().bfloat16(), weight, labels, chunk=5)
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


# Importing torch's compiler warns about other parts of torch.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
def test_compiled_pieces_give_the_same() -> None:
    hidden, weight, labels = case(32, 5, 0.3, torch.float32)
    values = []
    for compiled in (False, True):
        loss, _ = chunked_cross_entropy(hidden, weight, labels, chunk=16, compiled=compiled)
        values.append((loss, *torch.autograd.grad(loss, [hidden, weight])))
    for mine, other in zip(*values, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
