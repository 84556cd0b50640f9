"""Memory of one GPU at its peak, term by term.

Let one GPU hold ``n`` tokens at a time (micro-batch times sequence length), with ``h`` the hidden width,
``q`` and ``k`` the widths of all query and of all key heads, ``f`` that of the SwiGLU. All activations are
bf16 (2 bytes). With a fused attention kernel (flash or flex) no square of the sequence is ever stored, and
one block keeps for its backward pass, in bytes for each token:

===================================================  ==================
input of the block, and of the second norm           2h + 2h
outputs of both norms (inputs of the products)       2h + 2h
q, k, v after rotation, the kernel's output          2q + 2k + 2k + 2q
gate, up, silu(gate), their product                  2f + 2f + 2f + 2f
===================================================  ==================

- ``none``: all of it: ``8h + 4q + 4k + 8f``. A compiler leaves out one output of a norm and one tensor of
  the SwiGLU, which it computes again: ``6h + 4q + 4k + 6f`` (solved from micro-batches of 4 and 5 sequences
  of the 1.5B on one H200, docs/gpu.md).
- ``selective`` (torchtitan's ``SelectiveAC``: the outputs of every second matrix product and of attention
  are kept, the rest is computed again): the block's input ``2h``, qkv ``2q + 4k``, attention ``2q``, gate
  ``2f``, down ``2h``: ``4h + 4q + 4k + 2f``.
- ``full``: the block's input: ``2h``.

The peak is reached either at the loss, when all blocks' activations are stored, or in the backward pass of
the last block. At the loss each logit costs 14 bytes in plain PyTorch (the bf16 logit, and in fp32 the
log-probability and two gradients), 4 bytes compiled (the bf16 logit and its gradient); in pieces, an eighth
of that and three copies of the hidden states. The output layer is then gathered: 2 bytes for each weight,
2 for its gradient, 4 for the fp32 copy that is reduced. In the backward pass one block has all of ``none``
again, the gradients of its widest tensors, two gathered blocks, and one block's gradients.

Parameters, gradients and AdamW's two moments are sharded; each is 4 bytes in fp32, 2 in bf16. On top there
is what the allocator cannot use: 3 % compiled, 6 % else.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from train.shape import Shape
from train.spec import Batch, Compute, Parallel

GIB = 1 << 30
LOSS_PIECES = 8
"""Pieces of the chunked loss (torchtitan's ``ChunkedLossWrapper``)."""
LogitKind = Literal["whole", "fused", "chunked"]
_WIDTH: dict[str, int] = {"float32": 4, "bfloat16": 2}
_RESERVE = {True: 0.03, False: 0.06}


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Bytes on one GPU at its peak.

    Attributes:
        parameters: This rank's share.
        gradients: This rank's share.
        optimizer: AdamW's two moments, this rank's share.
        activations: What the blocks keep for the backward pass.
        loss: Logits, what the loss makes of them, and the gathered output layer.
        block: What the backward pass of one block needs beyond ``loss``; the two never meet.
        reserve: Lost to the allocator.
    """

    parameters: float
    gradients: float
    optimizer: float
    activations: float
    loss: float
    block: float
    reserve: float

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(asdict(self).values()))

    def gib(self) -> dict[str, float]:
        """Return the parts and ``total`` in GiB, to two digits."""
        parts = {**asdict(self), "total": self.total}
        return {name: round(value / GIB, 2) for name, value in parts.items()}


def block_bytes(shape: Shape, compute: Compute) -> int:
    """Return the bytes that one block keeps for each token (see the module)."""
    h, f = shape.hidden, shape.ffn
    q, k = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    if compute.activation_checkpoint == "full":
        values = h
    elif compute.activation_checkpoint == "selective":
        values = 2 * h + 2 * q + 2 * k + f
    elif compute.compile:
        values = 3 * h + 2 * q + 2 * k + 3 * f
    else:
        values = 4 * h + 2 * q + 2 * k + 4 * f
    return values * _WIDTH[compute.compute_dtype]


def memory(
    shape: Shape,
    batch: Batch,
    parallel: Parallel,
    compute: Compute,
    *,
    logits: LogitKind | None = None,
) -> Memory:
    """Return the memory of one GPU.

    Args:
        shape: The model.
        batch: Its ``micro`` and ``seq_len`` count.
        parallel: How the ranks share the model.
        compute: Formats, what is computed again, compiled or not.
        logits: How the loss is computed; by default as ``compute`` says. ``whole`` beside ``compile`` is a
            model whose blocks alone are compiled.
    """
    width, state = _WIDTH[compute.compute_dtype], _WIDTH[compute.param_dtype]
    share = shape.params / (parallel.shard * parallel.tensor)
    tokens = batch.micro * batch.seq_len / parallel.tensor
    kind = logits or ("chunked" if compute.chunked_loss else "fused" if compute.compile else "whole")
    # The final norm's input and output.
    kept = tokens * (shape.layers * block_bytes(shape, compute) + 2 * width * shape.hidden)
    at_loss = _loss_bytes(shape, tokens, parallel, compute, kind)
    in_block = _block_backward_bytes(shape, tokens, parallel, compute)
    parts = {
        "parameters": share * state,
        "gradients": share * state,
        "optimizer": share * 2 * state,
        "activations": kept,
        "loss": at_loss,
        "block": max(0.0, in_block - at_loss),
    }
    return Memory(**parts, reserve=_RESERVE[compute.compile] * sum(parts.values()))


def _loss_bytes(shape: Shape, tokens: float, parallel: Parallel, compute: Compute, kind: LogitKind) -> float:
    width = _WIDTH[compute.compute_dtype]
    head = shape.embedding_params / parallel.tensor * (2 * width + 4)
    each = 2 * width if compute.compile and kind != "whole" else width + 12
    count = tokens * shape.vocab
    if kind != "chunked":
        return head + count * each
    return head + count * each / LOSS_PIECES + 3 * width * tokens * shape.hidden


def _block_backward_bytes(shape: Shape, tokens: float, parallel: Parallel, compute: Compute) -> float:
    width = _WIDTH[compute.compute_dtype]
    block = (shape.params - (1 if shape.tied else 2) * shape.embedding_params) / shape.layers
    gathered = block / parallel.tensor * (2 * width + width + 4)
    every = Compute(
        compute_dtype=compute.compute_dtype, compile=compute.compile, activation_checkpoint="none"
    )
    again = 0 if compute.activation_checkpoint == "none" else block_bytes(shape, every)
    return gathered + tokens * (again + width * (2 * shape.ffn + 2 * shape.hidden))
