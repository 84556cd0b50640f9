"""Logits and gradients of the plain model against ``transformers``' Llama of the same weights."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.gpu.shapes import OPENCODER_1_5B, SMALL, TINY, device, machine, with_layers
from train.model.llama import Llama
from train.model.loss import chunked_cross_entropy
from train.shape import Shape

FLOAT32_BAR = 2e-5
"""Norm of the difference by the norm, for logits and for the gradient of every parameter, in float32."""
BFLOAT16_FACTOR = 1.3
"""In bfloat16 the distance from float32 may be this many times that of ``transformers``."""
Result = tuple[Tensor, dict[str, Tensor]]


def compare_all(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield one row for each shape and format; ``ok`` says whether it holds."""
    torch.backends.cuda.matmul.allow_tf32 = False
    shapes = [("tiny", TINY, 2, 64)] if quick else [
        ("small", SMALL, 2, 512),
        ("1.5B with 3 layers", with_layers(OPENCODER_1_5B, 3), 1, 1024),
    ]  # fmt: skip
    for name, shape, rows, length in shapes:
        for row in _compare(shape, rows, length):
            yield {"shape": name, "rows": rows, "length": length, **machine(), **row}
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _compare(shape: Shape, rows: int, length: int) -> Iterator[dict[str, Any]]:
    from transformers import LlamaConfig, LlamaForCausalLM

    where = device()
    generator = torch.Generator(where).manual_seed(0)
    with torch.device(where):
        ours = Llama(shape)
        settings: dict[str, Any] = {**shape.hf_config(), "attn_implementation": "sdpa"}
        theirs: Any = LlamaForCausalLM(LlamaConfig(**settings))
    ours.initialise(generator)
    theirs.load_state_dict(ours.state_dict())
    tokens = torch.randint(shape.vocab, (rows, length + 1), generator=generator, device=where)
    # Both on the kernel that is exact in float32; the fast ones take the formats of 16 bits only.
    with sdpa_kernel(SDPBackend.MATH):
        exact, other = _ours(ours, tokens), _theirs(theirs, tokens)
        row = {"dtype": "float32", "logits": _far(exact[0], other[0]), "gradients": _worst(exact, other)}
        yield {**row, "ok": max(row["logits"], row["gradients"]) <= FLOAT32_BAR}
    ours.to(torch.bfloat16)
    theirs.to(torch.bfloat16)
    mine, hers = _ours(ours, tokens), _theirs(theirs, tokens)
    row = {
        "dtype": "bfloat16",
        "logits": _far(mine[0], exact[0]),
        "gradients": _worst(mine, exact),
        "logits_transformers": _far(hers[0], exact[0]),
        "gradients_transformers": _worst(hers, exact),
    }
    near = all(row[key] <= BFLOAT16_FACTOR * row[f"{key}_transformers"] for key in ("logits", "gradients"))
    yield {**row, "ok": near}


def _ours(model: Llama, tokens: Tensor) -> Result:
    model.zero_grad()
    hidden = model(tokens[:, :-1])
    loss, count = chunked_cross_entropy(hidden, model.head_weight, tokens[:, 1:], chunk=300)
    (loss / count).backward()
    with torch.no_grad():
        return model.logits(hidden).float(), _gradients(model)


def _theirs(model: Any, tokens: Tensor) -> Result:
    model.zero_grad()
    logits = model(tokens[:, :-1]).logits.float()
    functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
    return logits.detach(), _gradients(model)


def _gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    found = {
        name: weight.grad.float() for name, weight in model.named_parameters() if weight.grad is not None
    }
    return {name: gradient.cpu() for name, gradient in found.items()}


def _far(found: Tensor, wanted: Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()


def _worst(found: Result, wanted: Result) -> float:
    return max(_far(found[1][name], gradient) for name, gradient in wanted[1].items())
