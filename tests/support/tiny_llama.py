"""A tiny Llama in numpy: real forward passes with a key-value cache, random weights, bytes as tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

BOS, EOS, NUM_TOKENS = 256, 257, 258
DIM, HEADS, LAYERS, HIDDEN, MAX_LENGTH = 48, 4, 2, 96, 4096
HEAD_DIM = DIM // HEADS


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How one sequence is drawn; ``seed`` already holds the index of the sample."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: list[str]
    seed: list[int]


@dataclass
class Sequence:
    """One sequence while it grows; ``logprobs`` holds the whole distribution of each step."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[Array] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""


class TinyLlama:
    """RMSNorm, rotary positions, attention, SwiGLU; two layers.

    Args:
        seed: Of the weights.
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)

        def matrix(rows: int, columns: int) -> Array:
            return rng.normal(0.0, rows**-0.5, (rows, columns)).astype(np.float32)

        self.embed = rng.normal(0.0, 1.0, (NUM_TOKENS, DIM)).astype(np.float32)
        self.head = matrix(DIM, NUM_TOKENS) * 1.5
        self.layers = [
            {
                "qkv": matrix(DIM, 3 * DIM),
                "out": matrix(DIM, DIM),
                "gate_up": matrix(DIM, 2 * HIDDEN),
                "down": matrix(HIDDEN, DIM),
            }
            for _ in range(LAYERS)
        ]
        angles = np.outer(np.arange(MAX_LENGTH), 10_000.0 ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM))
        self.cos, self.sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        # The model "has learned" to write printable ASCII, and to end now and then.
        self.bias = np.full(NUM_TOKENS, -1e9, np.float32)
        self.bias[[10, *range(32, 127)]] = 0.0
        self.bias[EOS] = -1.0

    def logits(self, tokens: list[int], cache: list[tuple[Array, Array]]) -> Array:
        """Run ``tokens`` through the model and return the logits after the last; ``cache`` grows."""
        past = cache[0][0].shape[1] if cache else 0
        x = self.embed[tokens]
        for index, layer in enumerate(self.layers):
            q, k, v = np.split(_norm(x) @ layer["qkv"], 3, axis=-1)
            q, k = self._rotate(q, past), self._rotate(k, past)
            v = _heads(v)
            if past:
                k = np.concatenate([cache[index][0], k], axis=1)
                v = np.concatenate([cache[index][1], v], axis=1)
                cache[index] = (k, v)
            else:
                cache.append((k, v))
            scores = q @ k.transpose(0, 2, 1) * HEAD_DIM**-0.5
            ahead = np.arange(k.shape[1])[None, :] > past + np.arange(len(tokens))[:, None]
            mixed = _softmax(np.where(ahead, -1e9, scores)) @ v
            x = x + mixed.transpose(1, 0, 2).reshape(len(tokens), DIM) @ layer["out"]
            gate, up = np.split(_norm(x) @ layer["gate_up"], 2, axis=-1)
            x = x + (gate / (1.0 + np.exp(-gate)) * up) @ layer["down"]
        logits: Array = _norm(x[-1]) @ self.head + self.bias
        return logits

    def generate(self, prompt: str, draw: Draw) -> Sequence:
        """Continue a text until a stop string, the end token or the limit."""
        rng = np.random.default_rng(draw.seed)
        cache: list[tuple[Array, Array]] = []
        tokens = encode(prompt)
        made = Sequence()
        while not made.finish_reason:
            logits = self.logits(tokens, cache)
            token = _pick(logits, draw, rng)
            made.tokens.append(token)
            made.logprobs.append(np.log(_softmax(logits) + 1e-30))
            tokens = [token]
            _advance(made, token, draw)
        return made

    def _rotate(self, x: Array, past: int) -> Array:
        heads = _heads(x)
        cos, sin = self.cos[past : past + len(x)], self.sin[past : past + len(x)]
        even, odd = heads[..., ::2], heads[..., 1::2]
        turned = np.empty_like(heads)
        turned[..., ::2] = even * cos - odd * sin
        turned[..., 1::2] = even * sin + odd * cos
        return turned


def encode(text: str) -> list[int]:
    """A start token and the bytes."""
    return [BOS, *text.encode()]


def _advance(made: Sequence, token: int, draw: Draw) -> None:
    if token == EOS:
        made.finish_reason = "stop"
        return
    made.text += chr(token)
    for stop in draw.stop:
        if stop in made.text:
            made.text = made.text[: made.text.index(stop)]
            made.finish_reason = "stop"
            return
    if len(made.tokens) >= draw.max_tokens:
        made.finish_reason = "length"


def _pick(logits: Array, draw: Draw, rng: np.random.Generator) -> int:
    if draw.temperature == 0.0:
        return int(np.argmax(logits))
    probabilities = _softmax(logits.astype(np.float64) / draw.temperature)
    order = np.argsort(-probabilities)
    kept = order[: 1 + int(np.searchsorted(np.cumsum(probabilities[order]), draw.top_p))]
    return int(rng.choice(kept, p=probabilities[kept] / probabilities[kept].sum()))


def _heads(x: Array) -> Array:
    return x.reshape(len(x), HEADS, HEAD_DIM).transpose(1, 0, 2)


def _norm(x: Array) -> Array:
    scaled: Array = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-6)
    return scaled


def _softmax(x: Array) -> Array:
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result
