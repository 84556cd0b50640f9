"""Prompt templates: text with ``{{name}}`` in it, and ``{{#name}} … {{/name}}`` around what needs a name.

A file holds the turns of a chat, each below a line ``--- system``, ``--- user`` or ``--- assistant``; without
such lines it is one turn of the user. Nothing else is special, so prompts may show code and JSON as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from opencoder.errors import DataError
from opencoder.files import reading_from
from opencoder.records import Message

Role = Literal["system", "user", "assistant"]

_TURN = re.compile(r"^--- (system|user|assistant)[ \t]*\n", re.MULTILINE)
_NAME = re.compile(r"\{\{([#/]?)\s*([a-z][a-z0-9_]*)\s*\}\}")
_BLOCK = re.compile(r"\{\{#\s*([a-z][a-z0-9_]*)\s*\}\}(.*?)\{\{/\s*\1\s*\}\}", re.DOTALL)
_BLANK_LINES = re.compile(r"\n{3,}")


class Template:
    """A parsed prompt.

    Args:
        text: As in the file.
        path: Of the file, for messages.

    Attributes:
        names: The fields that it shows.
        required: Those among them that it shows in every case.
        sha256: Of the text.

    Raises:
        DataError: A block is not closed, or a turn is of no role.
    """

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        self._turns = _turns(text, path)
        bodies = [body for _, body in self._turns]
        for body in bodies:
            _check(body, path)
        self.names = frozenset(name for body in bodies for _, name in _NAME.findall(body))
        outside = [_BLOCK.sub("", body) for body in bodies]
        self.required = frozenset(name for body in outside for _, name in _NAME.findall(body))

    def render(self, fields: Mapping[str, str]) -> tuple[Message, ...]:
        """Fill in the fields; a block whose field is empty is left out.

        Args:
            fields: The values; a name that is missing is empty.
        """
        return tuple(Message(role, _filled(body, fields)) for role, body in self._turns)

    @property
    def num_chars(self) -> int:
        """Characters without the fields."""
        return sum(len(_NAME.sub("", body)) for _, body in self._turns)


def read_template(path: Path) -> Template:
    """Read a prompt.

    Raises:
        DataError: It cannot be read, or is no template.
    """
    with reading_from(path):
        return Template(path.read_text(encoding="utf-8"), path)


def _turns(text: str, path: Path) -> list[tuple[Role, str]]:
    parts = _TURN.split(text)
    if len(parts) == 1:
        return [("user", text.strip())]
    if parts[0].strip():
        raise DataError("text stands before the first `--- role` line; put it below one", path=path, line=1)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return [(cast("Role", role), body.strip()) for role, body in pairs]


def _check(body: str, path: Path) -> None:
    for mark, name in _NAME.findall(_BLOCK.sub(r"\2", body)):
        if mark:
            raise DataError(f"`{{{{{mark}{name}}}}}` has no other end; close each block once", path=path)


def _filled(body: str, fields: Mapping[str, str]) -> str:
    shown = _BLOCK.sub(lambda found: found[2] if fields.get(found[1]) else "", body)
    shown = _BLANK_LINES.sub("\n\n", shown)
    # One pass: what a field holds is never taken for a name.
    return _NAME.sub(lambda found: fields.get(found[2], ""), shown).strip()
