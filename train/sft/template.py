"""The chat template of OpenCoder (ChatML with a system line of its own), as jinja2 and as Python.

Source: ``tokenizer_config.json`` of OpenCoder-1.5B-Instruct and OpenCoder-8B-Instruct for the template, and
``sft/tools/finetune.py`` of OpenCoder-llm/OpenCoder-llm for the form of the training. The two differ: the
script ends an answer with a newline before ``<|im_end|>`` and with nothing behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from opencoder.records import Message

Form = Literal["template", "paper"]
"""``template``: as the chat template writes it; ``paper``: as the training script of the paper writes it."""

START = "<|im_start|>"
END = "<|im_end|>"
SYSTEM = "You are OpenCoder, created by OpenCoder Team."
"""The system line of a dialogue that brings none."""

CHAT_TEMPLATE = (
    "{%- if messages and messages[0].role != 'system' -%}"
    f"{{{{- '{START}system\\n{SYSTEM}{END}\\n' -}}}}"
    "{%- endif -%}"
    "{%- for message in messages -%}"
    f"{{{{- '{START}' ~ message.role ~ '\\n' ~ message.content ~ '{END}\\n' -}}}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    f"{{{{- '{START}assistant\\n' -}}}}"
    "{%- endif -%}"
)
"""The value of ``chat_template`` in ``tokenizer_config.json``."""


class Segment(NamedTuple):
    """A piece of a dialogue that is encoded on its own.

    Attributes:
        text: What it says; never empty.
        trained: The model learns to write it.
        special: It is one special token. In every other segment such a text is only text.
    """

    text: str
    trained: bool = False
    special: bool = False


def segments(messages: Sequence[Message], form: Form = "template") -> list[Segment]:
    """Return a dialogue as its pieces.

    The text of a system or user turn is one piece with its header, as it is when a served model reads it.
    An answer is a piece of its own: a model that generates starts right behind the header.

    Args:
        messages: The turns.
        form: How an answer ends.
    """
    found: list[Segment] = []
    for message in with_system(messages):
        found.append(Segment(START, special=True))
        if message.role == "assistant":
            found.append(Segment("assistant\n"))
            found += _answer(message.content, form)
        else:
            found.append(Segment(f"{message.role}\n{message.content}"))
            found += [Segment(END, special=True), Segment("\n")]
    return found


def prompt_segments(messages: Sequence[Message]) -> list[Segment]:
    """Return what a model is shown before it answers: the dialogue and the header of the answer."""
    return [*segments(messages), Segment(START, special=True), Segment("assistant\n")]


def render(pieces: Iterable[Segment]) -> str:
    """Return the text of some pieces."""
    return "".join(piece.text for piece in pieces)


def with_system(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the dialogue with the default system line where it brings none."""
    if messages and messages[0].role != "system":
        return [Message("system", SYSTEM), *messages]
    return messages


def _answer(content: str, form: Form) -> Iterator[Segment]:
    text = f"{content}\n" if form == "paper" else content
    if text:
        yield Segment(text, trained=True)
    yield Segment(END, trained=True, special=True)
    if form == "template":
        yield Segment("\n")
