"""Which shapes run, and where."""

from __future__ import annotations

import msgspec
import torch

from train.shape import Shape

OPENCODER_1_5B = Shape(
    layers=24, hidden=2240, ffn=6144, heads=14, kv_heads=14, head_dim=160, vocab=96640, max_positions=4096,
    rope_theta=10000.0,
)  # fmt: skip
SMALL = Shape(
    layers=4, hidden=256, ffn=704, heads=8, kv_heads=2, head_dim=40, vocab=2048, max_positions=1024,
    rope_theta=10000.0,
)  # fmt: skip
TINY = Shape(
    layers=2, hidden=64, ffn=96, heads=4, kv_heads=2, head_dim=20, vocab=512, max_positions=128,
    rope_theta=10000.0,
)  # fmt: skip
PEAK_FLOPS = 989e12
"""Dense bfloat16 of H100 SXM and H200, from the data sheet."""


def with_layers(shape: Shape, layers: int) -> Shape:
    """Return the shape with another number of layers."""
    return msgspec.structs.replace(shape, layers=layers)


def device() -> torch.device:
    """Return the GPU, or the CPU if there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def machine() -> dict[str, object]:
    """Say what this runs on."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"device": name, "torch": torch.__version__, "cuda": torch.version.cuda}
