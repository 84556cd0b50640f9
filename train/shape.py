"""The shape of a Llama-like decoder: its sizes, what follows from them, and its Hugging Face form.

Both OpenCoder models are plain Llama decoders: RMSNorm, rotary positions without scaling, SwiGLU, no biases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from opencoder.errors import UserError


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes of a decoder.

    Attributes:
        layers: Transformer blocks.
        hidden: Width of the residual stream.
        ffn: Inner width of the SwiGLU.
        heads: Query heads.
        kv_heads: Key and value heads (grouped-query attention when fewer than ``heads``).
        head_dim: Width of one head.
        vocab: Rows of the embedding.
        max_positions: Longest sequence that the model is meant for.
        rope_theta: Base of the rotary frequencies.
        norm_eps: Epsilon of every RMSNorm.
        tied: The output layer is the input embedding.
    """

    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_positions: int
    rope_theta: float
    norm_eps: float = 1e-5
    tied: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit together.

        Raises:
            UserError: The heads cannot share the key and value heads evenly, or a head cannot be rotated.
        """
        if self.heads % self.kv_heads:
            raise UserError(f"shape: heads={self.heads} is no multiple of kv_heads={self.kv_heads}")
        if self.head_dim % 2:
            raise UserError(f"shape: head_dim={self.head_dim} is odd; rotary positions turn pairs")

    @property
    def embedding_params(self) -> int:
        """Parameters of one embedding matrix."""
        return self.vocab * self.hidden

    @property
    def params(self) -> int:
        """All parameters: 1,905,650,880 for OpenCoder-1.5B, 7,771,262,976 for OpenCoder-8B."""
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        block = attention + 3 * self.hidden * self.ffn + 2 * self.hidden
        return self.layers * block + self.hidden + self.embedding_params * (1 if self.tied else 2)

    @property
    def matmul_params(self) -> int:
        """Parameters that a token is multiplied with: all but the input embedding, which is looked up."""
        return self.params if self.tied else self.params - self.embedding_params

    def flops_per_token(self, seq_len: int, *, causal: bool = False) -> int:
        """Return the floating-point operations of one token's forward and backward pass.

        The usual count: 6 for each parameter, plus attention over the full square (12 x layers x heads x
        head_dim x seq_len). MFU in the field, also torchtitan's, is by this count.

        Args:
            seq_len: Length of the sequence in tokens.
            causal: Count the lower triangle only, which is what a causal kernel computes.
        """
        attention = 12 * self.layers * self.heads * self.head_dim * seq_len
        return 6 * self.matmul_params + (attention // 2 if causal else attention)

    def hf_config(self) -> dict[str, Any]:
        """Return the ``config.json`` of ``transformers``' ``LlamaForCausalLM``, without token ids."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden,
            "intermediate_size": self.ffn,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocab,
            "max_position_embeddings": self.max_positions,
            "rope_theta": self.rope_theta,
            "rope_scaling": None,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "rms_norm_eps": self.norm_eps,
            "tie_word_embeddings": self.tied,
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "attention_dropout": 0.0,
            "initializer_range": 0.02,
            "pretraining_tp": 1,
            "use_cache": True,
        }

    @classmethod
    def from_hf_config(cls, config: Mapping[str, Any], where: str) -> Shape:
        """Read a ``config.json`` of a Llama model.

        Args:
            config: The parsed file.
            where: Its path, for errors.

        Raises:
            UserError: A field is missing, or the model is no plain Llama (biases, scaled rotary positions).
        """
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        kind = rope.get("rope_type", rope.get("type", "default"))
        if config.get("model_type") != "llama" or kind != "default":
            raise UserError(f"{where}: no plain Llama (model_type {config.get('model_type')}, rope {kind})")
        if config.get("attention_bias") or config.get("mlp_bias"):
            raise UserError(f"{where}: has biases, which this model does not have")
        try:
            heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
            return cls(
                layers=config["num_hidden_layers"],
                hidden=hidden,
                ffn=config["intermediate_size"],
                heads=heads,
                kv_heads=config.get("num_key_value_heads") or heads,
                head_dim=config.get("head_dim") or hidden // heads,
                vocab=config["vocab_size"],
                max_positions=config["max_position_embeddings"],
                rope_theta=float(config.get("rope_theta") or rope.get("rope_theta") or 10000.0),
                norm_eps=config.get("rms_norm_eps", 1e-6),
                tied=bool(config.get("tie_word_embeddings", False)),
            )
        except KeyError as error:
            raise UserError(f"{where}: no {error.args[0]}") from error
