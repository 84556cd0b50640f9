"""The accelerators that plans know."""

from __future__ import annotations

from dataclasses import dataclass

from opencoder.errors import UserError

GPUS_PER_NODE = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One kind of GPU in nodes of eight.

    Attributes:
        name: As ``--gpu`` takes it.
        title: As people write it.
        memory_gib: What PyTorch reports as its memory.
        peak_tflops: Dense bf16 matrix products.
        memory_gb_s: Bandwidth of its memory.
        link_gb_s: NVLink, one direction, to the other GPUs of the node.
        network_gb_s: Its share of the node's network, one direction.
        speed: Throughput against the H100 of the published runs (500 W), see ``train.plan.anchors``.
    """

    name: str
    title: str
    memory_gib: float
    peak_tflops: float
    memory_gb_s: float
    link_gb_s: float
    network_gb_s: float = 50.0
    speed: float = 1.0


GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu(
            name="h100",
            title="H100 SXM 80 GB",
            memory_gib=79.1,
            peak_tflops=989.0,
            memory_gb_s=3350.0,
            link_gb_s=450.0,
        ),
        # Its speed: published 10,938 tokens/s (700 W, 2025) against 8,532 (H100, 500 W, 2024).
        Gpu(
            name="h200",
            title="H200 SXM 141 GB",
            memory_gib=139.8,
            peak_tflops=989.0,
            memory_gb_s=4800.0,
            link_gb_s=450.0,
            speed=1.28,
        ),
        Gpu(
            name="h800",
            title="H800 SXM 80 GB",
            memory_gib=79.1,
            peak_tflops=989.0,
            memory_gb_s=3350.0,
            link_gb_s=200.0,
        ),
    )
}
"""Peak, memory and links by NVIDIA's data sheets; network 400 Gb/s a GPU, as in the published runs."""


def find_gpu(name: str) -> Gpu:
    """Return a GPU by name.

    Raises:
        UserError: It is not known.
    """
    if name.lower() not in GPUS:
        raise UserError(f"no GPU {name}; there are: {', '.join(GPUS)}")
    return GPUS[name.lower()]
