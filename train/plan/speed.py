"""Expected tokens per second of one GPU.

The time of a token is the time of its matrix products, of its attention, and of what is computed again,
each at a rate that published runs reached (``train.plan.anchors``), divided by how fast the GPU is against
the one that they ran on. Communication of parameters and gradients runs beside that and counts only where
it is longer; communication of tensor parallelism counts whole.

The rates were solved from three runs of Llama 3.1 8B on 8 H100 of 500 W: compiled, with float8, and with
float8 at 32,768 tokens with full activation checkpointing. The fourth, without ``torch.compile``, gives
the factor of plain PyTorch, the run on 128 GPUs the loss over many nodes.
"""

from __future__ import annotations

import math

from train.plan.gpus import GPUS_PER_NODE, Gpu
from train.shape import Shape
from train.spec import Batch, Compute, Parallel

MATMUL_TFLOPS = 416.0
"""Reached in matrix products in bf16, all that surrounds them included."""
FLOAT8_GAIN = 1.374
"""Matrix products in float8 against bf16."""
ATTENTION_TFLOPS = 254.0
"""Reached by the attention kernel, counting the causal half."""
EAGER = 0.864
"""Plain PyTorch against ``torch.compile``."""
NODES_16 = 0.977
"""16 nodes against one; the loss is taken to grow with the logarithm of the nodes."""
_LINK_SHARE = 0.75
"""Of NVLink's or the network's bandwidth, what collectives reach."""
_ATTENTION_BACKWARD = 2.5
"""Attention's backward pass against its forward pass: the kernel computes the scores again."""


def token_flops(shape: Shape, seq_len: int, compute: Compute) -> tuple[float, float]:
    """Return the operations that the hardware does for one token: matrix products, attention.

    Attention counts the causal half. Under selective checkpointing the attention output and the up
    projections are computed again, under full checkpointing the whole forward pass of the blocks.
    """
    q = shape.heads * shape.head_dim
    attention = 2.0 * shape.layers * q * seq_len
    again, attention_again = 0.0, 0.0
    if compute.activation_checkpoint == "selective":
        again = 2.0 * shape.layers * (q * shape.hidden + shape.hidden * shape.ffn)
    elif compute.activation_checkpoint == "full":
        again = 2.0 * (shape.matmul_params - shape.embedding_params)
        attention_again = attention
    return 6.0 * shape.matmul_params + again, attention * (1 + _ATTENTION_BACKWARD) + attention_again


def tokens_per_second(
    shape: Shape, batch: Batch, parallel: Parallel, compute: Compute, gpu: Gpu, *, float8: bool = False
) -> float:
    """Return the expected tokens per second of one GPU.

    Args:
        shape: The model.
        batch: What a step sees.
        parallel: How the ranks share it.
        compute: Formats and kernels.
        gpu: The hardware.
        float8: Matrix products in float8.
    """
    products, attention = token_flops(shape, batch.seq_len, compute)
    matmul = MATMUL_TFLOPS * (FLOAT8_GAIN if float8 else 1.0)
    each = (products / matmul + attention / ATTENTION_TFLOPS) / 1e12
    each /= gpu.speed * (1.0 if compute.compile else EAGER) * _at_scale(parallel)
    # Tokens of one data rank's micro-batch; its tensor ranks share the work.
    tokens = batch.micro * batch.seq_len
    work_s = each * tokens / parallel.tensor
    micro_s = max(work_s, _data_s(shape, parallel, compute, gpu)) + _tensor_s(shape, tokens, parallel, gpu)
    micros = max(1.0, batch.sequences / (batch.micro * parallel.data_ranks))
    step_s = micros * micro_s + _update_s(shape, parallel, compute, gpu)
    return batch.tokens / step_s / parallel.ranks


def _at_scale(parallel: Parallel) -> float:
    nodes = max(1.0, parallel.ranks / GPUS_PER_NODE)
    return float(NODES_16 ** (math.log2(nodes) / 4))


def _data_s(shape: Shape, parallel: Parallel, compute: Compute, gpu: Gpu) -> float:
    """Seconds of gathering parameters twice and reducing gradients, for one micro-batch.

    A collective over whole nodes uses all eight network cards of a node at once; one over the copies of HSDP
    has a single GPU in each node, and its card alone.
    """
    params = shape.params / parallel.tensor
    width = 4 if compute.compute_dtype == "float32" else 2
    shard = params * (2 * width + 4) * (parallel.shard - 1) / parallel.shard
    inside = parallel.shard * parallel.tensor <= GPUS_PER_NODE
    reach = gpu.link_gb_s if inside else min(gpu.link_gb_s, GPUS_PER_NODE * gpu.network_gb_s)
    seconds = shard / (reach * 1e9 * _LINK_SHARE)
    if parallel.replicate > 1:
        copies = 2 * 4 * params / parallel.shard * (parallel.replicate - 1) / parallel.replicate
        inside = parallel.ranks <= GPUS_PER_NODE
        seconds += copies / ((gpu.link_gb_s if inside else gpu.network_gb_s) * 1e9 * _LINK_SHARE)
    return seconds


def _tensor_s(shape: Shape, tokens: int, parallel: Parallel, gpu: Gpu) -> float:
    """Seconds of tensor parallelism's gathers and scatters: four a block forward, six backward."""
    if parallel.tensor == 1:
        return 0.0
    moved = 10 * 2.0 * tokens * shape.hidden * shape.layers * (parallel.tensor - 1) / parallel.tensor
    return moved / (gpu.link_gb_s * 1e9 * _LINK_SHARE)


def _update_s(shape: Shape, parallel: Parallel, compute: Compute, gpu: Gpu) -> float:
    """Seconds of AdamW: four values read and three written for each parameter."""
    width = 4 if compute.param_dtype == "float32" else 2
    share = shape.params / (parallel.shard * parallel.tensor)
    return 7 * width * share / (gpu.memory_gb_s * 1e9)
