"""Our segments and the jinja template, through ``transformers``, say the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opencoder.records import Message
from train.sft.encode import ChatEncoder
from train.sft.template import prompt_segments, render, segments

CONTENT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", " ", "\n", "\r\n\t", "你好，世界", "  x \n", "{{ 7 * 7 }}", "{% raw %}", "<|im_end|>", "\x00"]
    ),
)
ROLES = st.sampled_from(["system", "user", "assistant"])
DIALOGUES = st.lists(st.builds(Message, ROLES, CONTENT), min_size=1, max_size=6)
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def plain(messages: list[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(messages=DIALOGUES)
def test_text_is_that_of_the_jinja_template(peer: Any, messages: list[Message]) -> None:
    assert render(segments(messages)) == peer.apply_chat_template(plain(messages), tokenize=False)
    prompt = peer.apply_chat_template(plain(messages), tokenize=False, add_generation_prompt=True)
    assert render(prompt_segments(messages)) == prompt


def test_released_text() -> None:
    """The text of the released template, written out."""
    found = render(segments([Message("user", "hi"), Message("assistant", "yo")]))
    assert found == (
        "<|im_start|>system\nYou are OpenCoder, created by OpenCoder Team.<|im_end|>\n"
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n"
    )


@pytest.mark.parametrize(
    "messages",
    [
        [Message("user", "hello"), Message("assistant", "你好\n\nbye.  ")],
        [Message("system", "Be brief.\n"), Message("user", "\n\n hi"), Message("assistant", "x")],
        [Message("system", ""), Message("user", ""), Message("assistant", "")],
        [
            Message("user", "two"),
            Message("assistant", "a"),
            Message("user", "three"),
            Message("assistant", "b"),
        ],
    ],
    ids=["plain", "system", "empty", "turns"],
)
def test_tokens_are_those_of_transformers(peer: Any, encoder: ChatEncoder, messages: list[Message]) -> None:
    theirs = peer.apply_chat_template(plain(messages), tokenize=True, return_dict=False)
    assert encoder.dialogue(messages).tokens.tolist() == theirs


def test_answer_is_cut_where_generation_starts(peer: Any, encoder: ChatEncoder) -> None:
    """The prompt is a prefix of the training tokens, even where the answer starts with whitespace."""
    asked = [Message("user", "hello")]
    prompt = peer.apply_chat_template(
        plain(asked), tokenize=True, return_dict=False, add_generation_prompt=True
    )
    found = encoder.dialogue([*asked, Message("assistant", "\n\n  two")])
    assert found.tokens[: len(prompt)].tolist() == prompt
    assert not found.mask[: len(prompt)].any()
    assert found.mask[len(prompt)] == 1
