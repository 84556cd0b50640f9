"""Continuation of several prompts at a time with a ``transformers`` model, one random generator per row."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opencoder.llm.api import Sampling

if TYPE_CHECKING:
    from torch import Generator, Tensor

_CONTEXT = 8


@dataclass(kw_only=True)
class Row:
    """One sample while it grows.

    Attributes:
        prompt: Its tokens.
        sampling: How tokens are drawn; ``max_tokens`` fits into what the model can see.
        generator: Where its randomness comes from.
        top_logprobs: So many candidates for the first token are kept with their log-probabilities.
        made: Tokens so far, without the one that ended it.
        text: Of those, cut before a stop string; complete when ``finish_reason`` is set.
        finish_reason: ``stop`` or ``length``; empty while it grows.
        candidates: Ids and log-probabilities of the first token's candidates, the likeliest first.
    """

    prompt: list[int]
    sampling: Sampling
    generator: Generator
    top_logprobs: int = 0
    made: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""
    candidates: list[tuple[int, float]] = field(default_factory=list)


class Writer:
    """A loaded model with its tokenizer.

    Args:
        model: As ``AutoModelForCausalLM`` makes it.
        tokenizer: As ``AutoTokenizer`` makes it.
        ends: Ids that end an answer.
    """

    def __init__(self, model: Any, tokenizer: Any, ends: Collection[int]) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.ends = ends
        known = inspect.signature(model.forward).parameters
        # Without it a model makes the logits of every position of the prompt.
        self._options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in known else {}
        # transformers 5.24 calls it by the shorter name and warns about the other.
        self._cache = "cache" if "cache" in known else "past_key_values"

    def write(self, rows: Sequence[Row], stopped: threading.Event) -> None:
        """Continue all rows until each has ended, or until ``stopped`` is set."""
        import torch

        device = self.model.device
        longest = max(len(row.prompt) for row in rows)
        # Padding stands on the left, so that every row goes on at the same place. Its id does not matter.
        tokens = torch.tensor([[0] * (longest - len(row.prompt)) + row.prompt for row in rows], device=device)
        mask = torch.tensor(
            [[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in rows], device=device
        )
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        cache, growing = None, list(rows)
        with torch.inference_mode():
            while growing and not stopped.is_set():
                out = self.model(
                    input_ids=tokens,
                    attention_mask=mask,
                    position_ids=positions,
                    use_cache=True,
                    **{self._cache: cache},
                    **self._options,
                )
                cache, logits = out[self._cache], out.logits[:, -1].float()
                drawn = self._draw(growing, logits)
                left = [index for index, row in enumerate(growing) if not row.finish_reason]
                if len(left) < len(growing):
                    growing = [growing[index] for index in left]
                    if not growing:
                        return
                    kept = torch.tensor(left, device=device)
                    cache.batch_select_indices(kept)
                    mask, positions, drawn = mask[kept], positions[kept], [drawn[index] for index in left]
                tokens = torch.tensor(drawn, device=device).unsqueeze(1)
                mask = torch.cat([mask, torch.ones_like(tokens)], dim=1)
                positions = positions[:, -1:] + 1

    def _draw(self, rows: Sequence[Row], logits: Tensor) -> list[int]:
        likeliest: list[int] = logits.argmax(dim=-1).tolist()
        drawn = []
        for row, scores, best in zip(rows, logits, likeliest, strict=True):
            if row.top_logprobs and not row.made:
                values, ids = scores.log_softmax(-1).topk(min(row.top_logprobs, len(scores)))
                row.candidates = list(zip(ids.tolist(), values.tolist(), strict=True))
            token = pick(scores, row) if row.sampling.temperature else best
            drawn.append(token)
            self._extend(row, token)
        return drawn

    def _extend(self, row: Row, token: int) -> None:
        if token in self.ends:
            row.finish_reason = "stop"
        else:
            row.made.append(token)
            if len(row.made) >= row.sampling.max_tokens:
                row.finish_reason = "length"
        if not row.sampling.stop and not row.finish_reason:
            return
        row.text = self.text(row)
        found = [place for stop in row.sampling.stop if (place := row.text.find(stop)) >= 0]
        if found:
            row.text, row.finish_reason = row.text[: min(found)], "stop"

    def text(self, row: Row) -> str:
        """Return what a row has added to its prompt.

        Some tokenizers drop a space at the beginning of a text: decoded behind the end of the prompt, the
        answer keeps its own.
        """
        before = row.prompt[-_CONTEXT:]
        prefix, whole = self._decode(before), self._decode([*before, *row.made])
        return whole[len(prefix) :] if whole.startswith(prefix) else self._decode(row.made)

    def _decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def pick(scores: Tensor, row: Row) -> int:
    """Draw a token: temperature first, then the smallest set of tokens whose share reaches ``top_p``."""
    import torch

    # On the CPU, where a seed gives the same numbers whatever the GPU.
    shares = (scores.cpu().double() / row.sampling.temperature).softmax(-1)
    if row.sampling.top_p < 1.0:
        ordered, ids = shares.sort(descending=True)
        before = ordered.cumsum(-1) - ordered
        ordered[before >= row.sampling.top_p] = 0.0
        return int(ids[torch.multinomial(ordered, 1, generator=row.generator)])
    return int(torch.multinomial(shares, 1, generator=row.generator))
