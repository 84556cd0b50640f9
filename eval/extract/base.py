"""What an extraction rule takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from opencoder.records import Form


@dataclass(frozen=True, kw_only=True, slots=True)
class Extraction:
    """A program made from a model's text.

    Args:
        solution: The program; empty if the rule found no code.
        rule: The name of the rule that made it.
        notes: What the rule did that a reader of the record should know.
    """

    solution: str
    rule: str
    notes: tuple[str, ...] = ()


Rule = Callable[[str, str, str, Form], Extraction]
"""``(text, entry_point, prompt, form) -> Extraction``.

``prompt`` is the code that a ``completion`` goes on with, empty where the prompt is not code. An empty
``entry_point`` means that no function is asked for by name.
"""


def cut_at_stop(text: str, stops: Iterable[str]) -> str:
    """Return ``text`` up to the first of ``stops``, for models that cannot be told to stop themselves."""
    ends = [position for stop in stops if (position := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text
