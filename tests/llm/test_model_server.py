"""The test server itself, seen through the plain client: it must be a real model, or it proves nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI


@pytest.fixture
def client(model_server: Any) -> Iterator[OpenAI]:
    with OpenAI(base_url=model_server.url, api_key="none", max_retries=0) as client:
        yield client


def test_logprobs_are_those_of_the_drawn_tokens(client: OpenAI) -> None:
    answer = client.completions.create(
        model="tiny-llama", prompt="ab", max_tokens=12, temperature=0, logprobs=3
    )
    found = answer.choices[0].logprobs
    assert found is not None
    assert "".join(found.tokens or []).startswith(answer.choices[0].text)
    for own, best in zip(found.token_logprobs or [], found.top_logprobs or [], strict=True):
        assert own == pytest.approx(max(best.values()))
        assert len(best) == 3


def test_the_cache_changes_nothing(client: OpenAI) -> None:
    """Greedy text fed back as a prompt goes on as if it had never stopped: the passes see all tokens."""

    def greedy(prompt: str, max_tokens: int) -> str:
        answer = client.completions.create(
            model="tiny-llama", prompt=prompt, max_tokens=max_tokens, temperature=0
        )
        return answer.choices[0].text

    whole, head = greedy("def f(", 20), greedy("def f(", 8)
    assert head + greedy("def f(" + head, 12) == whole
    assert greedy("def g(", 20) != whole


def test_draws_follow_the_distribution(client: OpenAI) -> None:
    """First tokens of 1,000 samples against the probabilities that the model reports."""
    n = 1000
    answer = client.completions.create(
        model="tiny-llama", prompt="q", max_tokens=1, n=n, temperature=1, seed=5, logprobs=5
    )
    assert len(answer.choices) == n
    found = answer.choices[0].logprobs
    assert found is not None
    best = (found.top_logprobs or [{}])[0]
    for token, logprob in best.items():
        p = math.exp(logprob)
        seen = sum(choice.text == token for choice in answer.choices)
        assert abs(seen - n * p) < 5 * math.sqrt(n * p * (1 - p)) + 1


def test_lists_of_prompts(client: OpenAI) -> None:
    prompts = ["a", "b"]
    answer = client.completions.create(model="tiny-llama", prompt=prompts, max_tokens=6, n=2, seed=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    alone = client.completions.create(model="tiny-llama", prompt="b", max_tokens=6, n=2, seed=1)
    assert [c.text for c in answer.choices[2:]] == [c.text for c in alone.choices]


def test_chat_logprobs_and_models(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny-llama",
        messages=[{"role": "user", "content": "hi"}],
        max_completion_tokens=4,
        logprobs=True,
        top_logprobs=2,
        seed=1,
    )
    found = answer.choices[0].logprobs
    assert found is not None
    assert all(len(row.top_logprobs) == 2 for row in found.content or [])
    assert [model.id for model in client.models.list()] == ["tiny-llama"]
