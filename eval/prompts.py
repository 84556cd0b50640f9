"""What models are asked, for base models a text to continue and for chat models a turn to answer.

The form follows evalplus (a task that is code already) and OpenCodeEval (worked examples for MBPP); the words
are our own, so a chat score is made with other words than the original's. Stop sequences and token limits
are those of the original tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.presets import Preset
from opencoder.records import Message

END_STOPS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")
"""Ends of an answer for every model (evalplus, BigCodeBench and OpenCodeEval)."""

FENCE_STOP = "\n```\n"
"""End of an answer that was begun inside a fence."""

HUMANEVAL_BASE_STOPS = ("\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ")
"""What follows the function that a base model was to complete."""

MBPP_BASE_STOPS = ('\n"""', "\nassert")
"""What follows the program that a base model was to write below a docstring."""

_ASK = "Solve the task below with one complete Python program. Answer with the code in a Markdown block:"
_REPLY = "This program has the function asked for and everything that it needs:"
_ROLE = "You write Python. The task is this:"
_TESTS = "These tests must pass:"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptParts:
    """One task as a prompt, in both styles.

    Args:
        prompt: The text that a base model continues.
        code_prefix: The part of the program that stands before the continuation; empty where the prompt is
            not code. Extraction rules take it as their ``prompt``.
        messages: The turns for a chat model.
        prefill: The beginning of the chat model's turn, for providers that can give it.
        base_stops: Stop sequences for ``prompt``.
        chat_stops: Stop sequences for ``messages``.
        max_tokens: Longest answer.
    """

    prompt: str
    code_prefix: str
    messages: tuple[Message, ...]
    prefill: str
    base_stops: tuple[str, ...]
    chat_stops: tuple[str, ...]
    max_tokens: int


def code_prompt(text: str, preset: Preset, base_stops: tuple[str, ...]) -> PromptParts:
    """Make the prompt of a task whose text is the beginning of a program.

    Args:
        text: The task as in the data.
        preset: Says how white space is treated and what the chat's turn looks like.
        base_stops: What ends a continuation besides :data:`END_STOPS`.
    """
    if preset.prompts == "verbatim":
        start = text
    elif preset.prompts == "opencodeeval":
        start = text.replace("\t", "    ").strip() + "\n"
    else:
        start = text.strip() + "\n"
    return _parts(preset, start, start, f"{_ASK}\n{_fenced(text, preset)}\n", base_stops)


def mbpp_prompt(
    text: str, tests: Mapping[str, Any], preset: Preset, shots: Sequence[tuple[str, Mapping[str, Any]]]
) -> PromptParts:
    """Make the prompt of an MBPP task, whose text is a sentence.

    Args:
        text: The sentence.
        tests: The row, for its ``test_list``.
        preset: Says how many examples there are.
        shots: Examples, as text and row with ``code``; none are shown if the preset wants none.
    """
    if preset.mbpp_shots == 0:
        first_test = tests["test_list"][0].strip()
        start = f'"""\n{text.strip()}\n{first_test}\n"""\n'
        return _parts(preset, start, start, f"{_ASK}\n{_fenced(start, preset)}\n", MBPP_BASE_STOPS)
    examples = "".join(
        _question(shot_text, shot) + f"```python\n{_plain(shot['code'])}\n```\n\n"
        for shot_text, shot in shots[: preset.mbpp_shots]
    )
    question = examples + _question(text, tests)
    prompt = question + "```python\n"
    if preset.prompts == "opencodeeval":
        # OpenCodeEval looks for the program in prompt and answer together, and puts one text to every model.
        return _parts(preset, prompt, prompt, prompt, HUMANEVAL_BASE_STOPS)
    return _parts(preset, prompt, "", question, ("\n```", *MBPP_BASE_STOPS))


def _parts(
    preset: Preset, prompt: str, code_prefix: str, question: str, base_stops: tuple[str, ...]
) -> PromptParts:
    everywhere = (*END_STOPS, FENCE_STOP) if preset.prompts == "opencodeeval" else END_STOPS
    return PromptParts(
        prompt=prompt,
        code_prefix=code_prefix,
        messages=(Message(role="user", content=question),),
        prefill="" if preset.prompts == "opencodeeval" else f"{_REPLY}\n```python\n",
        base_stops=(*everywhere, *base_stops),
        chat_stops=(*END_STOPS, FENCE_STOP),
        max_tokens=preset.max_tokens,
    )


def _fenced(text: str, preset: Preset) -> str:
    return f"```{'python' if preset.prompts == 'opencodeeval' else ''}\n{text.strip()}\n```"


def _question(text: str, row: Mapping[str, Any]) -> str:
    tests = "\n".join(test.strip() for test in row["test_list"])
    return f"{_ROLE}\n{text.strip()}\n{_TESTS}\n{tests}\n\n"


def _plain(code: str) -> str:
    return code.replace("\r", "").replace("\t", "    ").strip()
